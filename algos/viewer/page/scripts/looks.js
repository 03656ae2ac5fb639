// What all panels of a question need to know of its episodes: frames in the order they were shown,
// which of them lie in the evidence, which had been seen before, and words for every step.
const Looks = (() => {
  // Seconds: times nearer to each other than this are one frame, as the measures count them.
  const SAME = 1 / 480;
  const known = new WeakMap();

  const evidence = (question) => question.evidence || [];
  const inside = (second, spans) => spans.some(([start, end]) => start <= second && second < end);
  const ofStep = (step) => step.frames || [];
  const steps = (episode) => episode.steps || [];

  // Frames of an episode in the order they were shown. `seen` is the turn that showed the same time
  // before, or null; `place` is the frame's number in the list.
  function frames(question, episode) {
    if (!known.has(episode)) known.set(episode, collect(question, episode));
    return known.get(episode);
  }

  function collect(question, episode) {
    const first = new Map(); // times by buckets of SAME seconds
    const found = [];
    for (const step of steps(episode)) {
      for (const [second, cell, source] of ofStep(step)) {
        const seen = shownBefore(first, second);
        if (seen === null) first.set(Math.round(second / SAME), { second, turn: step.turn });
        found.push({
          second, step, seen, turn: step.turn, place: found.length,
          cell: cell === undefined ? -1 : cell,
          source: source === undefined ? -1 : source,
          hit: !step.elsewhere && inside(second, evidence(question)), // elsewhere: of another video
        });
      }
    }
    return found;
  }

  function shownBefore(first, second) {
    const bucket = Math.round(second / SAME);
    for (const near of [bucket, bucket - 1, bucket + 1]) {
      const other = first.get(near);
      if (other && Math.abs(other.second - second) <= SAME) return other.turn;
    }
    return null;
  }

  function ofTurn(question, episode, turn) {
    const all = frames(question, episode);
    if (!all.turns) {
      all.turns = new Map();
      for (const frame of all) {
        if (!all.turns.has(frame.turn)) all.turns.set(frame.turn, []);
        all.turns.get(frame.turn).push(frame);
      }
    }
    return all.turns.get(turn) || [];
  }

  // The frame nearest to a second; of two equally near, the earlier. null without frames.
  function nearest(list, second) {
    let best = null;
    for (const frame of list) {
      if (!best || Math.abs(frame.second - second) < Math.abs(best.second - second)) best = frame;
    }
    return best;
  }

  // The frame that the cursor is at: of the active turn where it has frames, else of the episode.
  function at(question, episode, turn, second) {
    const own = ofTurn(question, episode, turn);
    return nearest(own.length ? own : frames(question, episode), second || 0);
  }

  // Seconds that the axis spans: the video's, else up to the last thing that is on it.
  function duration(question, episodes) {
    const elsewhere = episodes.some((one) => one.other_video);
    if (question.duration && !elsewhere) return question.duration;
    let last = question.duration || 0;
    for (const [, end] of evidence(question)) last = Math.max(last, end);
    for (const episode of episodes) {
      for (const frame of frames(question, episode)) last = Math.max(last, frame.second);
      for (const step of steps(episode)) {
        for (const [, end] of [...(step.span ? [step.span] : []), ...(step.claimed || [])]) {
          last = Math.max(last, end);
        }
      }
    }
    return last || 1;
  }

  // Frames per second of what a step showed; null where there is no stretch or no frame.
  function rate(step) {
    const shown = ofStep(step).length;
    if (!step.span || !shown || step.span[1] <= step.span[0]) return null;
    return shown / (step.span[1] - step.span[0]);
  }

  const sizeOf = (question, step) =>
    step.frame_size || question.frame_size || (Data.run && Data.run.frame_size) || null;
  const sizeWords = (size) => (size ? `${size[1]} × ${size[0]} pixels` : "size not known");

  // Different frame sizes of the episodes, small to large.
  function sizes(question, episodes) {
    const found = new Map();
    for (const episode of episodes) {
      for (const step of steps(episode)) {
        const size = ofStep(step).length ? sizeOf(question, step) : null;
        if (size) found.set(size.join("x"), size);
      }
    }
    return [...found.values()].sort((a, b) => a[0] * a[1] - b[0] * b[1]);
  }

  const spanWords = ([start, end]) => `${Dom.clock(start)} to ${Dom.clock(end)}`;
  const boxWords = (box) => {
    const [x0, y0, x1, y1] = box.map((edge) => `${Math.round(100 * edge)} %`);
    return `${x0} to ${x1} across, ${y0} to ${y1} down`;
  };

  const countWords = (count, one, many = `${one}s`) =>
    `${Dom.number(count, 0)} ${count === 1 ? one : many}`;

  function stepName(step) {
    return step.turn === 0 ? step.action : `turn ${step.turn}, ${step.action.replaceAll("_", " ")}`;
  }

  // One sentence for a step, for those who do not see the axis.
  function stepWords(question, episode, step) {
    const own = ofTurn(question, episode, step.turn);
    const parts = [stepName(step)];
    if (step.span) parts.push(spanWords(step.span));
    if (step.box) parts.push(`box ${boxWords(step.box)}`);
    if (own.length) parts.push(countWords(own.length, "frame"));
    const hits = own.filter((frame) => frame.hit).length;
    if (hits) parts.push(`${hits} in the evidence`);
    if (step.claimed && step.claimed.length) {
      parts.push(`relies on ${step.claimed.map(spanWords).join(" and ")}`);
    }
    return parts.join(", ");
  }

  function frameWords(frame) {
    const parts = [`frame at ${Dom.clock(frame.second)}`, stepName(frame.step)];
    if (frame.step.box) parts.push(`box ${boxWords(frame.step.box)}`);
    if (frame.hit) parts.push("inside the evidence");
    if (frame.seen !== null) parts.push(`seen before in ${turnWords(frame.seen)}`);
    return parts.join(", ");
  }

  const turnWords = (turn) => (turn === 0 ? "the overview" : `turn ${turn}`);
  const title = (entry) => {
    const found = ((Data.run && Data.run.entries) || []).find((one) => one.key === entry);
    return found ? found.title : entry;
  };

  // Shapes of the actions in a box of 16 by 16: told apart without colour.
  const SHAPES = {
    overview: "M2 8h.01M6 8h.01M10 8h.01M14 8h.01",
    sample: "M2 5h12v6h-12z",
    zoom: "M2 12V5h12v7M5 9h6",
    skip: "M2 3l5 5l-5 5M8 3l5 5l-5 5",
    answer: "M2 3h12v8h-6l-3 3v-3h-3z",
    use_tool: "M8 2v3M8 11v3M2 8h3M11 8h3M5 5h6v6h-6z",
    invalid: "M3 3l10 10M13 3l-10 10",
    other: "M8 2l6 6l-6 6l-6-6z",
  };
  const shape = (action) =>
    Dom.svg("svg", { class: `shape shape-${kind(action)}`, viewBox: "0 0 16 16", "aria-hidden": "true" },
      Dom.svg("path", { d: SHAPES[kind(action)] }));
  const kind = (action) => (Object.hasOwn(SHAPES, action) ? action : "other");

  return {
    SAME, evidence, inside, ofStep, steps, frames, ofTurn, nearest, at, duration, rate, sizeOf,
    sizeWords, sizes, spanWords, boxWords, countWords, stepName, stepWords, frameWords, turnWords,
    title, shape, kind,
  };
})();
