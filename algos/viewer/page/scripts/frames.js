// The frames that one step showed, exactly as the policy saw them.
//
// Frames.strip(question, step, {episode, time, onTime}) -> {update({time}), element}
const Frames = (() => {
  const PAGE = 48; // frames that are in the page at once; the rest is a button away

  function strip(question, step, options) {
    const episode = options.episode || { steps: [step] };
    const view = {
      question, episode, step, time: null, onTime: () => {}, ...options,
      own: Looks.ofTurn(question, episode, step.turn), first: 0,
      list: Dom.h("ul", { class: "frames" }), bar: Dom.h("div", { class: "frames-bar" }),
    };
    view.element = Dom.h("div", { class: "strip" }, view.list, view.bar);
    const near = view.time === null ? null : Looks.nearest(view.own, view.time);
    if (near) view.first = Math.floor(view.own.indexOf(near) / PAGE) * PAGE;
    fill(view);
    return { element: view.element, update: (changes) => update(view, changes) };
  }

  function fill(view) {
    const { question, own, first } = view;
    const shown = own.slice(first, first + PAGE);
    const pictured = shown.some((frame) => frame.cell >= 0);
    view.list.classList.toggle("times", !pictured);
    view.list.replaceChildren(...shown.map((frame) => item(view, frame)));
    const notes = [];
    if (own.length && !own.some((frame) => frame.cell >= 0)) notes.push(missing(question));
    if (own.length > PAGE) notes.push(...pager(view));
    view.bar.replaceChildren(...notes);
    mark(view);
  }

  const missing = (question) =>
    Dom.h("p", { class: "note" }, `No pictures here: ${question.missing || "none lie in this file."}`);

  function pager(view) {
    const { own, first } = view;
    const to = (next) => () => {
      view.first = next;
      fill(view);
    };
    const button = (text, next, usable) => {
      const made = Dom.h("button", { type: "button", onclick: to(next) }, text);
      made.disabled = !usable;
      return made;
    };
    const last = Math.min(first + PAGE, own.length);
    return [
      button("Earlier frames", first - PAGE, first > 0),
      Dom.h("span", { "aria-live": "polite" }, `frames ${first + 1} to ${last} of ${own.length}`),
      button("Later frames", first + PAGE, last < own.length),
    ];
  }

  // One frame: a button with its picture, its time and its badges.
  function item(view, frame) {
    const { question, episode } = view;
    const clock = Dom.h("span", { class: "frame-time" }, Dom.clock(frame.second));
    const badges = badgesOf(frame);
    const open = () => {
      view.onTime(frame.second);
      if (frame.cell >= 0) Enlarged.open(question, episode, frame);
    };
    const inside = frame.cell >= 0 ? [Picture.draw(question, frame.cell, { words: "" }), clock] : [clock];
    const button = Dom.h("button", {
      type: "button", class: "frame", "aria-label": Looks.frameWords(frame), onclick: open,
    }, ...inside, ...badges);
    return Dom.h("li", { class: `thumb${frame.hit ? " hit" : ""}`, "data-place": String(frame.place) }, button);
  }

  function badgesOf(frame) {
    const badges = [];
    if (frame.hit) badges.push(Dom.h("span", { class: "badge" }, "◆ evidence"));
    if (frame.seen !== null) {
      const words = frame.seen === 0 ? "seen in the overview" : `seen in turn ${frame.seen}`;
      badges.push(Dom.h("span", { class: "again" }, words));
    }
    return badges;
  }

  // The frame nearest to the cursor is the current one.
  function mark(view) {
    const near = view.time === null || view.time === undefined ? null : Looks.nearest(view.own, view.time);
    for (const one of view.list.children) {
      const on = near !== null && one.dataset.place === String(near.place);
      one.classList.toggle("current", on);
      if (on) one.firstChild.setAttribute("aria-current", "true");
      else one.firstChild.removeAttribute("aria-current");
    }
  }

  function update(view, { time }) {
    view.time = time;
    mark(view);
  }

  // A frame beside the whole source frame with the box on it, where it is a part of one.
  function pair(question, frame, widest = null) {
    const parts = [];
    if (frame.cell >= 0) {
      const words = `What the policy saw: ${Looks.frameWords(frame)}`;
      parts.push(figure(Picture.draw(question, frame.cell, { words, widest }), "as it was seen"));
    }
    if (frame.source >= 0 && frame.step.box) {
      const words = `The whole picture at ${Dom.clock(frame.second)}, with the box ${Looks.boxWords(frame.step.box)}`;
      const whole = Picture.draw(question, frame.source, { words, box: frame.step.box, widest });
      parts.push(figure(whole, "where that lies in the whole picture"));
    }
    return parts;
  }

  const figure = (picture, words) => Dom.h("figure", { class: "pair" }, picture, Dom.h("figcaption", {}, words));

  return { strip, pair, badgesOf, missing };
})();
