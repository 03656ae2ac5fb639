// One frame in large, in a dialog; left and right go through all frames of the episode.
const Enlarged = (() => {
  let dialog = null;

  function open(question, episode, frame) {
    close();
    const all = Looks.frames(question, episode);
    const view = { question, all, place: frame.place, body: Dom.h("div", { class: "enlarged-body" }) };
    const button = (text, act) => Dom.h("button", { type: "button", onclick: act }, text);
    view.earlier = button("Frame before", () => go(view, -1));
    view.later = button("Next frame", () => go(view, 1));
    dialog = Dom.h("dialog", { class: "enlarged", "aria-label": "Frame in large" }, view.body,
      Dom.h("div", { class: "enlarged-bar" }, view.earlier, view.later, button("Close", close)));
    dialog.addEventListener("keydown", (event) => keys(view, event));
    dialog.addEventListener("close", () => dialog && dialog.remove());
    dialog.addEventListener("click", (event) => event.target === dialog && close());
    document.body.append(dialog);
    show(view);
    dialog.showModal();
  }

  function close() {
    if (!dialog) return;
    const old = dialog;
    dialog = null;
    old.close();
    old.remove();
  }

  function go(view, by) {
    const next = view.place + by;
    if (next < 0 || next >= view.all.length) return;
    view.place = next;
    show(view);
  }

  function show(view) {
    const frame = view.all[view.place];
    const words = `${view.place + 1} of ${view.all.length}: ${Looks.frameWords(frame)}`;
    const pictures = Frames.pair(view.question, frame);
    if (!pictures.length) pictures.push(Frames.missing(view.question));
    view.body.replaceChildren(
      Dom.h("p", { class: "enlarged-words", "aria-live": "polite" }, words, " ", ...Frames.badgesOf(frame)),
      Dom.h("div", { class: "pairs large" }, ...pictures),
    );
    view.earlier.disabled = view.place === 0;
    view.later.disabled = view.place === view.all.length - 1;
    State.set({ turn: frame.turn, t: frame.second }, { replace: true });
  }

  function keys(view, event) {
    event.stopPropagation(); // the page behind has the same keys
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (by === undefined) return;
    event.preventDefault();
    go(view, by);
  }

  return { open, close };
})();
