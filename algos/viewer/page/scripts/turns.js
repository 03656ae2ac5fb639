// The turns of an episode as cards, in order; the active one is pointed out and brought into sight.
//
// Turns.list(question, episode, {turn, time, onTurn, onTime}) -> {update({turn, time, still}), show(),
// print(on), element}
const Turns = (() => {
  const PAGE = 20; // cards in the page at once
  const PRINTED = 200;

  function list(question, episode, options) {
    const view = {
      question, episode, turn: null, time: null, onTurn: () => {}, onTime: () => {}, ...options,
      steps: Looks.steps(episode), scale: TurnCard.scaleOf(episode), first: -1, cards: [],
      pager: Dom.h("nav", { class: "turns-bar", "aria-label": "Turns" }),
      body: Dom.h("div", { class: "turns-list" }),
    };
    const course = Sparkline.ofTurns(view.steps, { onTurn: view.onTurn });
    view.element = Dom.h("section", { class: "turns", "aria-label": "Turns" }, course, view.pager, view.body);
    if (!view.steps.length) view.body.append(Dom.h("p", { class: "note" }, "Nothing is known of its turns."));
    show(view, pageOf(view, view.turn));
    mark(view, false);
    return {
      element: view.element, update: (changes) => update(view, changes),
      show: () => requestAnimationFrame(() => mark(view, true)), print: (on) => print(view, on),
    };
  }

  function pageOf(view, turn) {
    const place = view.steps.findIndex((step) => step.turn === turn);
    return Math.floor(Math.max(place, 0) / PAGE) * PAGE;
  }

  function show(view, first, count = PAGE) {
    if (first === view.first && count === PAGE) return;
    view.first = first;
    view.cards = view.steps.slice(first, first + count).map((step, k) =>
      TurnCard.create(view, step, before(view.steps, first + k)));
    if (view.steps.length) view.body.replaceChildren(...view.cards.map((card) => card.element));
    pager(view);
  }

  // The turn before, whose prompt is the one to compare with.
  function before(steps, place) {
    for (let k = place - 1; k >= 0; k -= 1) {
      if (steps[k].prompt !== undefined && steps[k].prompt !== null) return steps[k];
    }
    return null;
  }

  function pager(view) {
    const { steps, first } = view;
    view.pager.hidden = steps.length <= PAGE;
    if (view.pager.hidden) return;
    const to = (place) => () => view.onTurn(steps[Math.min(Math.max(place, 0), steps.length - 1)].turn);
    const button = (text, place, usable) => {
      const made = Dom.h("button", { type: "button", onclick: to(place) }, text);
      made.disabled = !usable;
      return made;
    };
    const last = Math.min(first + PAGE, steps.length);
    view.pager.replaceChildren(
      button("Earlier turns", first - PAGE, first > 0),
      Dom.h("span", { "aria-live": "polite" }, `steps ${first + 1} to ${last} of ${steps.length}`),
      button("Later turns", first + PAGE, last < steps.length),
    );
  }

  function update(view, changes) {
    const turn = view.turn;
    for (const key of ["turn", "time"]) if (key in changes) view[key] = changes[key];
    if (turn !== view.turn) show(view, pageOf(view, view.turn));
    mark(view, turn !== view.turn, changes.still);
  }

  function mark(view, scroll, still = false) {
    for (const card of view.cards) {
      const on = card.turn === view.turn;
      card.element.classList.toggle("active", on);
      if (on) card.element.setAttribute("aria-current", "step");
      else card.element.removeAttribute("aria-current");
      if (card.strip) card.strip.update({ time: on ? view.time : null });
      if (on && scroll) intoSight(view.body, card.element, still);
    }
  }

  // Beside the stage the cards scroll among themselves. Below it the page does, but not under a
  // pointer (`still`): what it points at must stay where it is.
  function intoSight(body, element, still) {
    const own = body.scrollHeight > body.clientHeight + 1;
    const [box, frame] = [element.getBoundingClientRect(), body.getBoundingClientRect()];
    if (own) {
      if (box.top < frame.top || box.bottom > frame.bottom) body.scrollTop += box.top - frame.top - 4;
      return;
    }
    if (still) return;
    const above = parseFloat(getComputedStyle(element).scrollMarginTop) || 0;
    if (box.top < above || box.top > window.innerHeight - 120) element.scrollIntoView({ block: "start" });
  }

  // On paper all turns stand, with every text opened; afterwards the page of the active one.
  function print(view, on) {
    const many = view.steps.length > PAGE;
    if (many && view.steps.length <= PRINTED) {
      view.first = -1;
      show(view, on ? 0 : pageOf(view, view.turn), on ? PRINTED : PAGE);
      mark(view, false);
    }
    if (!on) return;
    TurnCard.openAll(view.element);
    Picture.fillAll(view.element);
  }

  return { list };
})();
