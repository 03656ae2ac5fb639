// The video's own time axis: evidence, cuts and speech, and a lane for every step of the episodes.
//
// Timeline.create(container, {question, episodes, time, turn, entry, window, marks, onTime, onTurn,
// onWindow}) -> {update({time, turn, entry, window}), print(), element}
//   time: the cursor, seconds or null; turn, entry: the active step; window: [start, end] or null
//   marks: {entry: {turn, text}}, a lane to be pointed out
//   onTime(second), onTurn(turn, entry), onWindow([start, end] or null for the whole video)
const Timeline = (() => {
  const HEADER = 26; // pixels of the line above the lanes of each of several episodes
  const PRINTED = 300; // lanes: of an episode with more, those in sight are printed
  let made = 0;

  function create(container, options) {
    made += 1;
    const { question, episodes } = options;
    const duration = Looks.duration(question, episodes);
    const view = {
      ...options, ...Scene.patterns(), duration, name: `tl-${made}`, width: 600,
      whole: Axis.whole(duration), sizes: Looks.sizes(question, episodes),
      rows: rowsOf(episodes), drawn: new Map(),
    };
    setWindow(view, options.window);
    view.parts = TimelineParts.build(view);
    container.append(view.parts.root);
    const act = actions(view);
    TimelineInput.wire(view, act);
    const watch = new ResizeObserver(() => measure(view));
    watch.observe(view.parts.rows);
    measure(view);
    showActive(view);
    return {
      update: (changes) => update(view, changes), element: view.parts.root,
      print: () => drawRows(view, view.rows.length <= PRINTED),
    };
  }

  // Every line of the lanes from top to bottom, with its place in pixels.
  function rowsOf(episodes) {
    const rows = [];
    let top = 0;
    const add = (row, high) => {
      rows.push({ ...row, top, high });
      top += high;
    };
    for (const episode of episodes) {
      if (episodes.length > 1) add({ episode, step: null }, HEADER);
      for (const step of Looks.steps(episode)) add({ episode, step }, Lanes.HEIGHT);
    }
    return rows;
  }

  function setWindow(view, window) {
    const fits = window && window[1] > window[0];
    const moved = fits && Axis.zoomed(window, window[0], 1, view.duration);
    view.window = moved && !Axis.isWhole(moved, view.duration) ? moved : view.whole;
  }

  function measure(view) {
    const { rows, root } = view.parts;
    const style = getComputedStyle(root);
    const [left, right] = ["--tl-left", "--tl-right"].map((one) => parseFloat(style.getPropertyValue(one)));
    view.left = left || 104;
    view.width = Math.max(rows.clientWidth - view.left - (right || 44), 40);
    drawAll(view);
  }

  function drawAll(view) {
    const { parts, width } = view;
    const high = parts.body.clientHeight;
    const put = (svg, marks, tall) => {
      svg.setAttribute("width", width);
      svg.setAttribute("height", tall);
      svg.replaceChildren(...marks);
    };
    put(parts.back, [view.defs, ...Scene.back(view, high)], high);
    put(parts.clock, Scene.clockRow(view), 20);
    put(parts.sound, Scene.soundRow(view), Scene.SPEECH_HIGH);
    view.drawn.forEach((row) => row.remove());
    view.drawn.clear();
    drawRows(view);
    drawMap(view);
    drawCursor(view);
    TimelineParts.sayWindow(view);
  }

  // Only lanes that are in sight are in the page, and the active one, which the reader stands on.
  function drawRows(view, all = false) {
    const { rows, spacer } = view.parts;
    const [from, to] = [rows.scrollTop - 60, rows.scrollTop + rows.clientHeight + 60];
    const wanted = new Set();
    view.rows.forEach((row, k) => {
      if (all || (row.top + row.high > from && row.top < to) || isActive(view, row)) wanted.add(k);
    });
    view.drawn.forEach((element, k) => {
      if (wanted.has(k)) return;
      element.remove();
      view.drawn.delete(k);
    });
    for (const k of [...wanted].sort((a, b) => a - b)) {
      if (view.drawn.has(k)) continue;
      const element = TimelineParts.row(view, view.rows[k], k);
      const after = [...view.drawn.keys()].filter((one) => one > k).sort((a, b) => a - b)[0];
      spacer.insertBefore(element, after === undefined ? null : view.drawn.get(after));
      view.drawn.set(k, element);
    }
    markActive(view);
  }

  function isActive(view, row) {
    if (!row.step || row.step.turn !== view.turn) return false;
    return view.episodes.length === 1 || !view.entry || row.episode.entry === view.entry;
  }

  function markActive(view) {
    let active = null;
    view.drawn.forEach((element, k) => {
      const on = isActive(view, view.rows[k]);
      element.classList.toggle("active", on);
      if (element.getAttribute("role") === "option") element.setAttribute("aria-selected", String(on));
      if (on && !active) active = element.id;
    });
    if (active) view.parts.rows.setAttribute("aria-activedescendant", active);
    else view.parts.rows.removeAttribute("aria-activedescendant");
  }

  function showActive(view) {
    const row = view.rows.find((one) => isActive(view, one));
    const { rows } = view.parts;
    if (!row) return;
    if (row.top < rows.scrollTop) rows.scrollTop = row.top;
    const low = row.top + row.high - rows.clientHeight;
    if (low > rows.scrollTop) rows.scrollTop = low;
    drawRows(view);
  }

  // The whole video as a thin bar: where the window lies in it.
  function drawMap(view) {
    const { map } = view.parts;
    const zoomed = !Axis.isWhole(view.window, view.duration);
    map.classList.toggle("hidden", !zoomed);
    if (!zoomed) return;
    const mark = (name, span) => {
      const [x, wide] = Axis.stretch(span, view.whole, view.width);
      return Dom.svg("rect", { class: name, x, y: 1, width: wide, height: 8 });
    };
    const evidence = Looks.evidence(view.question).map((span) => mark("tl-map-evidence", span));
    map.setAttribute("width", view.width);
    map.replaceChildren(mark("tl-map-all", view.whole), ...evidence, mark("tl-map-window", view.window));
  }

  function drawCursor(view) {
    const { cursor, flag, caption } = view.parts;
    const known = view.time !== null && view.time !== undefined;
    const x = known ? Axis.place(view.time, view.window, view.width) : -1;
    cursor.classList.toggle("hidden", x < 0 || x > view.width);
    cursor.style.transform = `translateX(${view.left + Math.min(Math.max(x, 0), view.width)}px)`;
    flag.textContent = known ? Dom.clock(view.time) : "";
    flag.classList.toggle("flip", x > view.width - 60);
    const line = known ? Scene.speechAt(view.question, view.time) : null;
    caption.textContent = line ? `Said at ${Dom.clock(view.time)}: “${line[2]}”` : "";
  }

  function update(view, changes) {
    const before = { turn: view.turn, entry: view.entry, time: view.time };
    for (const key of ["time", "turn", "entry"]) if (key in changes) view[key] = changes[key];
    const old = view.window;
    if ("window" in changes) setWindow(view, changes.window);
    if (old[0] !== view.window[0] || old[1] !== view.window[1]) drawAll(view);
    else if (before.time !== view.time) drawCursor(view);
    if (before.turn !== view.turn || before.entry !== view.entry) showActive(view);
  }

  // What can be done with the axis, by pointer and by keys alike.
  function actions(view) {
    const window = (next) => {
      setWindow(view, next);
      drawAll(view);
      view.onWindow(Axis.isWhole(view.window, view.duration) ? null : view.window);
    };
    const around = (factor, at) => window(Axis.zoomed(view.window, at, factor, view.duration));
    const middle = () => {
      const [start, end] = view.window;
      const known = view.time !== null && view.time !== undefined;
      return known && view.time >= start && view.time <= end ? view.time : (start + end) / 2;
    };
    const go = (second) => {
      view.time = Math.min(Math.max(second, 0), view.duration);
      const shown = Axis.showing(view.window, view.time, view.duration);
      if (shown === view.window) drawCursor(view);
      else window(shown);
      view.onTime(view.time);
    };
    const choose = (row) => {
      [view.turn, view.entry] = [row.step.turn, row.episode.entry];
      showActive(view);
      view.onTurn(view.turn, view.entry);
    };
    return {
      around, go, choose,
      zoom: (factor) => around(factor, middle()),
      pan: (seconds) => window(Axis.moved(view.window, seconds, view.duration)),
      reset: () => window(null),
      fit: (spans) => spans.length && window(Axis.around(spans, view.duration)),
      rows: (all) => drawRows(view, all),
      active: () => view.rows.find((row) => isActive(view, row)) || null,
      isWhole: () => Axis.isWhole(view.window, view.duration),
      second: (x) => Axis.second(x, view.window, view.width),
    };
  }

  return { create };
})();
