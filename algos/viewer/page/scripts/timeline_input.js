// Pointer and keys on a time axis: click, drag, wheel, hover, and the same without a pointer.
const TimelineInput = (() => {
  const NEAR = 4; // pixels: a click as near as this to a frame means the frame
  const DRAG = 4; // pixels: a pointer that moved no further has clicked

  function wire(view, act) {
    const { parts } = view;
    parts.closer.addEventListener("click", () => act.zoom(0.5));
    parts.wider.addEventListener("click", () => act.zoom(2));
    parts.reset.addEventListener("click", act.reset);
    parts.near.addEventListener("click", () => act.fit(spansOf(act.active())));
    if (parts.proof) parts.proof.addEventListener("click", () => act.fit(Looks.evidence(view.question)));
    parts.rows.addEventListener("scroll", () => act.rows(), { passive: true });
    parts.body.addEventListener("wheel", (event) => wheel(view, act, event), { passive: false });
    parts.body.addEventListener("dblclick", (event) => inPlot(view, event) && act.reset());
    drag(view, act);
    hover(view, act);
    parts.root.addEventListener("keydown", (event) => keys(view, act, event));
  }

  // What a step looked at: its stretch, what it relies on, and its frames.
  function spansOf(row) {
    if (!row) return [];
    const { span, claimed } = row.step;
    const frames = Looks.ofStep(row.step).map(([second]) => [second, second]);
    return [...(span ? [span] : []), ...(claimed || []), ...frames];
  }

  // Where a pointer is on the plot: pixels from its left edge, and the line of the lanes under it.
  function spot(view, event) {
    const box = view.parts.body.getBoundingClientRect();
    const rows = view.parts.rows.getBoundingClientRect();
    const y = event.clientY - rows.top + view.parts.rows.scrollTop;
    const over = event.clientY >= rows.top && event.clientY < rows.bottom;
    const row = over ? view.rows.find((one) => y >= one.top && y < one.top + one.high) : null;
    return { x: event.clientX - box.left - view.left, row: row || null };
  }

  function inPlot(view, event) {
    const { x } = spot(view, event);
    return x >= -NEAR && x <= view.width + NEAR;
  }

  // Zooms around the pointer, sideways moves along. Where nothing would change the page scrolls.
  function wheel(view, act, event) {
    if (!inPlot(view, event) || event.ctrlKey && event.deltaY === 0) return;
    const [start, end] = view.window;
    const pixel = event.deltaMode === 1 ? 16 : event.deltaMode === 2 ? 400 : 1;
    const sideways = event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY);
    const amount = (sideways ? event.deltaX || event.deltaY : event.deltaY) * pixel;
    if (act.isWhole() && (sideways || amount > 0)) return;
    event.preventDefault();
    if (sideways) act.pan((amount / view.width) * (end - start));
    else act.around(Math.exp(Math.min(Math.max(amount, -400), 400) * 0.002), act.second(spot(view, event).x));
  }

  function drag(view, act) {
    const { body } = view.parts;
    let held = null;
    body.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      const { x, row } = spot(view, event);
      const map = view.parts.map.contains(event.target);
      held = { x: event.clientX, from: event.clientX, moved: false, map, row, inside: x >= -NEAR && x <= view.width + NEAR };
    });
    body.addEventListener("pointermove", (event) => {
      if (!held || !held.inside) return;
      if (Math.abs(event.clientX - held.from) > DRAG && !held.moved) {
        held.moved = true;
        body.setPointerCapture(event.pointerId);
      }
      if (!held.moved || act.isWhole()) return;
      const wide = held.map ? -view.duration : view.window[1] - view.window[0];
      act.pan(((held.x - event.clientX) / view.width) * wide);
      held.x = event.clientX;
    });
    body.addEventListener("pointerup", (event) => {
      if (held && !held.moved) click(view, act, event, held);
      held = null;
    });
    body.addEventListener("pointercancel", () => { held = null; });
  }

  function click(view, act, event, held) {
    const { x, row } = spot(view, event);
    if (!held.inside) {
      if (row && row.step) act.choose(row);
      return;
    }
    if (held.map) {
      const at = Axis.second(x, view.whole, view.width);
      act.pan(at - (view.window[0] + view.window[1]) / 2);
      return;
    }
    const clicked = act.second(Math.min(Math.max(x, 0), view.width));
    const frame = nearestFrame(view, row, clicked);
    if (!frame) {
      if (row && row.step) act.choose(row);
      act.go(clicked);
      return;
    }
    const close = Math.abs(Axis.place(frame.second, view.window, view.width) - x) <= NEAR;
    act.choose(row && row.step ? row : frame.row);
    act.go(close ? frame.second : clicked);
  }

  // The frame nearest to a second: of the lane, or of every lane where it is not a lane's.
  function nearestFrame(view, row, second) {
    const rows = row && row.step ? [row] : view.rows.filter((one) => one.step);
    let best = null;
    for (const one of rows) {
      const frame = Looks.nearest(Looks.ofTurn(view.question, one.episode, one.step.turn), second);
      if (frame && (!best || Math.abs(frame.second - second) < Math.abs(best.second - second))) {
        best = { ...frame, row: one };
      }
    }
    return best;
  }

  function hover(view, act) {
    const { body, tip } = view.parts;
    let last = null;
    const show = () => {
      const event = last;
      last = null;
      if (event) tell(view, act, event);
    };
    body.addEventListener("pointermove", (event) => {
      if (event.pointerType === "touch") return;
      if (!last) requestAnimationFrame(show);
      last = event;
    });
    body.addEventListener("pointerleave", () => {
      last = null;
      tip.classList.add("hidden");
    });
  }

  // What is under the pointer: the time, and the frame, the speech or the evidence there.
  function tell(view, act, event) {
    const { tip, speech } = view.parts;
    const { x, row } = spot(view, event);
    tip.classList.toggle("hidden", x < 0 || x > view.width);
    if (x < 0 || x > view.width) return;
    const second = act.second(x);
    const lines = [Dom.h("strong", {}, Dom.clock(second))];
    const inEvidence = Looks.inside(second, Looks.evidence(view.question));
    if (inEvidence) lines.push(Dom.h("span", { class: "badge" }, "evidence"));
    const frame = row && row.step ? nearestFrame(view, row, second) : null;
    const close = frame && Math.abs(Axis.place(frame.second, view.window, view.width) - x) < 12;
    if (close) {
      lines.push(Dom.h("span", {}, Looks.frameWords(frame)));
      if (frame.cell >= 0) lines.push(Picture.draw(view.question, frame.cell, { words: "", widest: 128 }));
    } else if (row && row.step) lines.push(Dom.h("span", {}, Looks.stepWords(view.question, row.episode, row.step)));
    const said = speech.contains(event.target) ? Scene.speechAt(view.question, second) : null;
    if (said) lines.push(Dom.h("q", {}, said[2]));
    tip.replaceChildren(...lines);
    const left = Math.min(event.clientX + 12, window.innerWidth - 196);
    tip.style.transform = `translate(${Math.max(left, 0)}px, ${event.clientY + 18}px)`;
  }

  function keys(view, act, event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const [start, end] = view.window;
    const common = {
      "+": () => act.zoom(0.5), "=": () => act.zoom(0.5), "-": () => act.zoom(2), "0": act.reset,
    };
    const step = event.key === "ArrowLeft" ? -1 : event.key === "ArrowRight" ? 1 : 0;
    let done = common[event.key];
    if (event.shiftKey && step) done = () => act.pan((step * (end - start)) / 4);
    else if (event.target === view.parts.speech && step) done = () => toSpeech(view, act, step > 0);
    else if (event.target === view.parts.rows) done = done || laneKey(view, act, event.key);
    if (!done) return;
    event.preventDefault();
    event.stopPropagation();
    done();
  }

  function toSpeech(view, act, forward) {
    const line = Scene.speechFrom(view.question, view.time || 0, forward);
    if (line) act.go(line[0]);
  }

  function laneKey(view, act, key) {
    const row = act.active();
    const steps = view.rows.filter((one) => one.step);
    const place = steps.indexOf(row);
    const to = { ArrowDown: place + 1, ArrowUp: place - 1, Home: 0, End: steps.length - 1 }[key];
    if (to !== undefined) return () => steps[to] && act.choose(steps[to]);
    if (!row || !["ArrowLeft", "ArrowRight", "Enter"].includes(key)) return null;
    const own = Looks.ofTurn(view.question, row.episode, row.step.turn);
    if (!own.length) return () => {};
    const now = Looks.nearest(own, view.time || 0);
    if (key === "Enter") return () => Enlarged.open(view.question, row.episode, now);
    return () => act.go(beside(own, view.time, key === "ArrowRight").second);
  }

  // The next frame of a lane after a second, or the one before; the last one stays.
  function beside(own, time, forward) {
    const sorted = [...own].sort((a, b) => a.second - b.second);
    if (time === null || time === undefined) return sorted[0];
    if (forward) return sorted.find((one) => one.second > time + 1e-6) || sorted[sorted.length - 1];
    return sorted.filter((one) => one.second < time - 1e-6).pop() || sorted[0];
  }

  return { wire };
})();
