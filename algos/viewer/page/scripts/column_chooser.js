// Which columns are shown, and in which order.
const ColumnChooser = (() => {
  function open(shown, button) {
    const order = [...shown, ...Columns.all.filter((one) => !shown.includes(one))];
    const on = new Set(shown);
    const list = Dom.h("ol", { class: "chooser" });
    const dialog = Dom.h("dialog", { class: "filter-dialog", "aria-label": "Columns" });
    const said = Dom.h("p", { class: "hidden-text", role: "status" });

    const tell = () => State.set({ cols: Columns.asText(order.filter((one) => on.has(one))) }, { replace: true });
    const move = (column, by) => {
      const at = order.indexOf(column);
      order.splice(at, 1);
      order.splice(at + by, 0, column);
      tell();
      fill();
      said.textContent = `${column.title} is now column ${order.indexOf(column) + 1}.`;
      const again = list.children[order.indexOf(column)].querySelectorAll("button");
      const wanted = again[by < 0 ? 0 : 1];
      (wanted.disabled ? again[by < 0 ? 1 : 0] : wanted).focus();
    };

    function line(column, at) {
      const fixed = at === 0; // the question stays: it is the link
      const box = Dom.h("input", { type: "checkbox", disabled: fixed });
      box.checked = on.has(column);
      box.addEventListener("change", () => {
        if (box.checked) on.add(column);
        else on.delete(column);
        tell();
      });
      const step = (by, sign, words) => Dom.h("button", { type: "button", disabled: fixed || at + by < 1 || at + by >= order.length,
        "aria-label": `Move ${column.title} ${words}`, onclick: () => move(column, by) }, sign);
      return Dom.h("li", {}, step(-1, "↑", "up"), step(1, "↓", "down"),
        Dom.h("label", {}, box, ` ${column.title} `, Dom.h("span", { class: "note" }, column.about)));
    }

    const fill = () => list.replaceChildren(...order.map(line));
    const reset = () => {
      State.set({ cols: null }, { replace: true });
      dialog.close();
    };
    fill();
    dialog.append(Dom.h("h3", {}, "Columns"), list, said,
      Dom.h("div", { class: "buttons" }, Dom.h("button", { type: "button", onclick: reset }, "As at first"),
        Dom.h("button", { type: "button", onclick: () => dialog.close() }, "Done")));
    dialog.addEventListener("close", () => {
      dialog.remove();
      button.focus();
    });
    document.body.append(dialog);
    dialog.showModal();
  }

  return { open };
})();
