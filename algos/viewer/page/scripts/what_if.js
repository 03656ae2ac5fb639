// Commands that play a recorded question again from one of its turns, with something changed.
const WhatIf = (() => {
  // What stands in a command as {name}: label, how it is typed, and what it is at first.
  const FIELDS = {
    frames: ["Most frames", "number", (row) => 2 * (row.frames || 16)],
    turns: ["Most turns", "number", (row) => 2 * (row.turns || 4)],
    policy: ["Policy", "text", (row) => row.policy || ""],
    temperature: ["Temperature", "number", () => 1],
    seed: ["Seed", "number", () => 1],
  };
  const LEAST = { frames: 1, turns: 1, temperature: 0, seed: 0 };
  // A line of text that is pasted into a terminal must not hold keys of the terminal.
  const CONTROL = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/;
  let made = 0;

  // Return a text as one word of a POSIX shell.
  function quote(text) {
    if (/^[A-Za-z0-9_.\/][A-Za-z0-9_@%+=:,.\/-]*$/.test(text)) return text;
    return `'${text.replaceAll("'", "'\"'\"'")}'`;
  }

  // Return a command with its places filled in: {name} by `values`; {{ and }} are braces.
  // A place whose value is empty or holds a control character leaves no command: null.
  function fill(command, values) {
    let usable = !CONTROL.test(command);
    const text = command.replace(/\{\{|\}\}|\{([a-z_]+)\}/g, (found, name) => {
      if (name === undefined) return found[0];
      const value = values[name];
      if (value === undefined || value === null || value === "" || CONTROL.test(String(value))) usable = false;
      return quote(String(value));
    });
    return usable ? text : null;
  }

  const placesOf = (command) =>
    [...command.matchAll(/\{\{|\}\}|\{([a-z_]+)\}/g)].map((found) => found[1]).filter((name) => name !== undefined);

  // Return the panel of a turn, or null where the run has no commands for this episode.
  function panel(question, episode, turn) {
    const steps = episode.steps || [];
    const step = steps.find((one) => one.turn === turn);
    const looked = Boolean(step && (step.frames || []).length);
    const commands = (episode.commands || []).filter(([, command]) => looked || !placesOf(command).includes("drop"));
    if (!commands.length) return null;
    made += 1;
    const values = { turn: Math.max(1, turn), drop: turn };
    const row = { ...(episode.row || {}), policy: policyOf(episode) };
    const said = Dom.h("p", { class: "what-said", role: "status" });
    const items = commands.map(([label, command], k) => {
      return one(label, command, { values: { ...values }, row, said, name: `what-${made}-${k}` });
    });
    const from = turn > 1 ? `The turns before turn ${turn} stay as they were` : "It is played from the start";
    const note = Dom.h("p", { class: "note" }, `${from}. For a terminal (bash, zsh), where the run was made.`);
    return Dom.h("div", { class: "what-if" }, note, Dom.h("ul", { class: "what-list" }, ...items), said);
  }

  function policyOf(episode) {
    const entry = (Data.run.entries || []).find((one) => one.key === episode.entry);
    return (entry && entry.told && entry.told.policy) || (episode.row && episode.row.policy) || "";
  }

  function one(label, command, { values, row, said, name }) {
    const code = Dom.h("pre", { class: "what-command", tabindex: "0", "aria-label": `Command: ${label}` });
    const copy = Dom.h("button", { type: "button", "aria-label": `Copy: ${label}` }, "Copy");
    const show = () => {
      const text = fill(command, values);
      copy.disabled = text === null;
      code.textContent = text === null ? missing(command, values) : text;
    };
    const inputs = placesOf(command)
      .filter((place, k, all) => FIELDS[place] && all.indexOf(place) === k)
      .map((place) => field(place, `${name}-${place}`, values, row, show));
    copy.addEventListener("click", () => copyText(code, label, said));
    show();
    const head = Dom.h("div", { class: "what-head" }, Dom.h("b", {}, label), ...inputs, copy);
    return Dom.h("li", {}, head, code);
  }

  function missing(command, values) {
    const open = placesOf(command).filter((place) => FIELDS[place] && (values[place] === "" || values[place] === null));
    const names = open.map((place) => FIELDS[place][0].toLowerCase());
    return names.length ? `(needs: ${names.join(", ")})` : "(not to be written as a command: there are control characters in it)";
  }

  function field(place, id, values, row, show) {
    const [label, type, first] = FIELDS[place];
    const input = Dom.h("input", { id, type, autocomplete: "off", spellcheck: "false" });
    if (type === "number") {
      input.min = String(LEAST[place]);
      input.step = place === "temperature" ? "any" : "1";
    }
    input.value = String(first(row));
    const read = () => {
      const usable = type === "text" || (input.value !== "" && input.checkValidity());
      values[place] = usable ? input.value.trim() : "";
      input.setAttribute("aria-invalid", String(values[place] === ""));
    };
    read();
    input.addEventListener("input", () => {
      read();
      show();
    });
    return Dom.h("label", { class: "what-field" }, `${label} `, input);
  }

  // Copy where a page may; else mark the text, which is then a key away.
  async function copyText(code, label, said) {
    said.textContent = "";
    try {
      await navigator.clipboard.writeText(code.textContent);
      said.textContent = `Copied: ${label}.`;
    } catch {
      getSelection().selectAllChildren(code);
      code.focus();
      said.textContent = `This page may not copy by itself. The command is marked: copy it with your keyboard (${label}).`;
    }
  }

  return { panel, fill, quote };
})();
