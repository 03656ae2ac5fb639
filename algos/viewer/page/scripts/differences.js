// Where two episodes of one question part: turn by turn, what was done and what was shown.
// What a policy thought, and what it cost, is no difference here: two policies that look at the same
// frames and give the same answer did the same.
const Differences = (() => {
  const SECONDS = 0.01; // less than a frame of any video; times are written to a thousandth
  const FRACTION = 0.001; // of the picture's side
  // Actions whose span, box and frames say all of it; of any other the call counts, too.
  const KNOWN = new Set(["overview", "skip", "sample", "zoom", "answer", "invalid"]);
  const WORDS = {
    only: "played by one alone",
    action: "action",
    span: "stretch of the video",
    box: "part of the picture",
    answer: "answer",
    call: "call",
    frames: "frames shown",
  };

  const near = (one, other, most) => Math.abs(one - other) <= most + 1e-9;
  const alike = (one, other, most) => {
    if (!one || !other || !one.length || !other.length) return !(one && one.length) && !(other && other.length);
    return one.length === other.length && one.every((value, k) => near(value, other[k], most));
  };
  const words = (text) => String(text === undefined || text === null ? "" : text).trim().replace(/\s+/g, " ");
  const seconds = (step) => (step.frames || []).map((frame) => frame[0]);
  const bare = (step) => step.action === "overview" && !seconds(step).length;

  // The text that an answer gives: as it was judged, or as it was written.
  function answers(a, b, one, other) {
    const judged = [a.prediction, b.prediction].every((text) => text !== undefined && text !== null);
    return judged ? [a.prediction, b.prediction] : [one.call, other.call];
  }

  // Return what differs between two steps of the same turn: keys of WORDS, none if they are alike.
  function ofSteps(a, b, one, other) {
    if (!one || !other) {
      const alone = one || other;
      return !alone || bare(alone) ? [] : ["only"];
    }
    const found = [];
    if (one.action !== other.action) found.push("action");
    if (!alike(one.span, other.span, SECONDS)) found.push("span");
    if (!alike(one.box, other.box, FRACTION)) found.push("box");
    if (one.action === "answer" && other.action === "answer") {
      const [ours, theirs] = answers(a, b, one, other);
      if (words(ours) !== words(theirs)) found.push("answer");
    } else if (one.action === other.action && !KNOWN.has(one.action) && words(one.call) !== words(other.call)) {
      found.push("call");
    }
    if (!alike(seconds(one), seconds(other), SECONDS)) found.push("frames");
    return found;
  }

  // Return the turns of two episodes, aligned by number: [{turn, a, b, differ}], a step or null.
  function turns(a, b) {
    const byTurn = [a, b].map((episode) => new Map((episode.steps || []).map((step) => [step.turn || 0, step])));
    const numbers = [...new Set([...byTurn[0].keys(), ...byTurn[1].keys()])].sort((x, y) => x - y);
    return numbers.map((turn) => {
      const [one, other] = byTurn.map((steps) => steps.get(turn) || null);
      return { turn, a: one, b: other, differ: ofSteps(a, b, one, other) };
    });
  }

  // Return the number of the first turn that differs, or null.
  function first(aligned) {
    const found = aligned.find((row) => row.differ.length);
    return found ? found.turn : null;
  }

  const inWords = (differ) => differ.map((key) => WORDS[key]).join(", ");

  return { turns, first, inWords };
})();
