// The elements of a time axis, and the words that they carry.
const TimelineParts = (() => {
  function build(view) {
    const { question, duration } = view;
    const parts = {
      ...tools(view),
      back: Dom.svg("svg", { class: "tl-back", "aria-hidden": "true" }),
      clock: Dom.svg("svg", { class: "tl-plot tl-clocks", "aria-hidden": "true" }),
      sound: Dom.svg("svg", { class: "tl-plot", "aria-hidden": "true" }),
      map: Dom.svg("svg", { class: "tl-plot tl-map hidden", height: 10, "aria-hidden": "true" }),
      flag: Dom.h("span", { class: "tl-flag" }),
      caption: Dom.h("p", { class: "tl-caption", "aria-live": "polite" }),
      tip: Dom.h("div", { class: "tl-tip hidden", "aria-hidden": "true" }),
      spacer: Dom.h("div", { class: "tl-spacer", role: "presentation" }),
    };
    parts.cursor = Dom.h("div", { class: "tl-cursor hidden", "aria-hidden": "true" }, parts.flag);
    parts.speech = speechRow(view, parts.sound);
    parts.rows = Dom.h("div", rowsProps(view), parts.spacer);
    const last = view.rows[view.rows.length - 1];
    parts.spacer.style.height = `${last ? last.top + last.high : 0}px`;
    parts.body = Dom.h("div", { class: "tl-body" },
      parts.back, Dom.h("div", { class: "tl-head" }, parts.clock), parts.speech, parts.rows,
      Dom.h("div", { class: "tl-head" }, parts.map), parts.cursor, parts.tip);
    parts.root = Dom.h("section", { class: view.episodes.length > 1 ? "tl several" : "tl", "aria-label": "Time axis of the video" },
      parts.bar, Dom.h("p", { class: "hidden-text" }, Scene.words(question, duration)),
      parts.body, parts.caption,
      Dom.h("details", { class: "tl-more" }, Dom.h("summary", {}, "Marks and keys"), keysHelp()));
    return parts;
  }

  function rowsProps(view) {
    if (!view.rows.some((row) => row.step)) return { class: "tl-rows" };
    return {
      class: "tl-rows", role: "listbox", tabindex: "0", id: `${view.name}-rows`,
      "aria-label": "Turns on the time axis: up and down change the turn, left and right the frame",
    };
  }

  function tools(view) {
    const button = (text, label) => Dom.h("button", { type: "button", "aria-label": label, title: label }, text);
    const made = {
      closer: button("+", "Zoom in on the time axis"),
      wider: button("−", "Zoom out of the time axis"),
      reset: button("Whole video"),
      proof: Looks.evidence(view.question).length ? button("Evidence", "Zoom to the evidence") : null,
      near: button("This turn", "Zoom to what this turn looked at"),
      shown: Dom.h("output", { class: "tl-window", "aria-live": "polite" }),
    };
    const legend = Lanes.legend(view, view.episodes);
    const bar = Dom.h("div", { class: "tl-bar" }, made.closer, made.wider, made.reset, made.proof, made.near, made.shown, legend);
    return { ...made, bar };
  }

  function keysHelp() {
    const words =
      "Click: put the cursor there and show the nearest frame. Wheel, + and −: zoom. 0 or a double " +
      "click: the whole video. Drag, or Shift with left and right: move along. In the lanes, left and " +
      "right: from frame to frame; Enter: enlarge it.";
    return Dom.h("p", { class: "note" }, words);
  }

  function speechRow(view, sound) {
    const lines = (view.question.speech || []).length;
    const cuts = (view.question.cuts || []).length;
    const name = lines ? "speech" : cuts ? "cuts" : "";
    const label = Dom.h("span", { class: "tl-name", "aria-hidden": "true" }, name);
    if (!lines) return Dom.h("div", { class: "tl-sound" }, label, sound);
    const says = `Speech, ${Looks.countWords(lines, "line")}: left and right go from line to line`;
    return Dom.h("div", { class: "tl-sound spoken", tabindex: "0", role: "group", "aria-label": says }, label, sound);
  }

  // One line of the lanes: a heading of an episode, or a step.
  function row(view, { episode, step, top, high }, k) {
    const place = (element) => {
      element.style.top = `${top}px`;
      element.style.height = `${high}px`;
      return element;
    };
    if (!step) return place(heading(episode));
    const many = view.episodes.length > 1;
    const words = Looks.stepWords(view.question, episode, step);
    const mark = view.marks && view.marks[episode.entry];
    const marked = mark && mark.turn === step.turn;
    const own = Looks.ofStep(step).length;
    const turn = step.turn === 0 ? "" : `${step.turn} `;
    const name = Dom.h("span", { class: "tl-name" }, Looks.shape(step.action), `${turn}${step.action.replaceAll("_", " ")}`);
    const count = Dom.h("span", { class: "tl-count" }, marked ? `◀ ${mark.text}` : own ? String(own) : "");
    const said = [many ? Looks.title(episode.entry) : "", words, marked ? mark.text : ""].filter(Boolean);
    return place(Dom.h("div", {
      class: `tl-row${marked ? " marked" : ""}`, role: "option", id: `${view.name}-${k}`, "aria-label": said.join(", "),
      "aria-selected": "false", "aria-posinset": String(k + 1), "aria-setsize": String(view.rows.length),
    }, name, Lanes.draw(view, step), count));
  }

  function heading(episode) {
    const verdict = Verdict.words(episode);
    return Dom.h("div", { class: "tl-episode", role: "presentation" },
      `${Looks.title(episode.entry)}:`, Dom.h("span", { class: verdict.name }, verdict.text));
  }

  function sayWindow(view) {
    const { shown, reset, wider } = view.parts;
    const whole = Axis.isWhole(view.window, view.duration);
    const wide = view.window[1] - view.window[0];
    const decimals = wide < 10 ? 2 : wide < 120 ? 1 : 0;
    const [start, end] = view.window.map((second) => Axis.clock(second, decimals));
    shown.textContent = whole ? `whole video, ${end}` : `${start} to ${end}`;
    reset.disabled = whole;
    wider.disabled = whole;
  }

  return { build, row, sayWindow };
})();
