// What the numbers of tokens mean, and which of a few levels of colour each falls into.
//
// The levels have fixed ends, so that one colour is the same number in every turn, episode and run;
// those of a critic's values alone, which are in the run's own units, go from its least to its most.
const TokenScales = (() => {
  const known = (x) => typeof x === "number" && Number.isFinite(x);
  const short = (x) => (known(x) && Math.abs(x) < 1e-3 ? Dom.number(0, 0) : Dom.number(x, 3));
  const sign = (x) => (x > 0 && short(x) !== "0" ? `+${short(x)}` : short(x));
  const percent = (p) => (p >= 0.995 && p < 1 ? "over 99 %" : p > 0 && p < 0.005 ? "under 1 %" : Dom.percent(p));

  // Of a sequential measure, `ends` are those of levels 1, 2, …: the further, the stronger. Of a
  // diverging one, they are the distances from the middle at which levels ±1, ±2, … begin.
  const MEASURES = [
    {
      key: "logprob", title: "log-prob", about: "Log-probability of the token when it was sampled, in nats: strong is unlikely.",
      ends: [-0.01, -0.105, -0.693, -2.3, -4.6], falling: true, words: (x) => `${short(x)} (${percent(Math.exp(x))})`,
    },
    {
      key: "entropy", title: "entropy", about: "Entropy of the distribution that it was drawn from, in nats: strong is undecided.",
      ends: [0.05, 0.2, 0.5, 1, 2], words: short,
    },
    {
      key: "ratio", title: "ratio", about: "Probability after the update by that before it: solid line, it became likelier; dashed line, less likely.",
      ends: [1.02, 1.1, 1.28, 2].map(Math.log), from: (x) => (x > 0 ? Math.log(x) : null), diverging: true,
      end: (x) => Dom.number(Math.exp(x), 2), words: short,
    },
    {
      key: "advantage", title: "advantage", about: "As the loss had it: solid line, better than expected; dashed line, worse.",
      ends: [0.05, 0.25, 0.75, 1.5], diverging: true, words: sign,
    },
    {
      key: "value", title: "value", about: "What the critic expected still to be earned before the token: strong is much.",
      ends: null, words: short,
    },
  ];
  const STEPS = 6; // levels of a sequential measure: 0 to 5
  const HALF = 5; // of a diverging one: 0 to 4 on each side

  // The measures that these tokens have, in order.
  const of = (pieces) => MEASURES.filter(({ key }) => Array.isArray(pieces[key]) && pieces[key].some(known));

  // -> {level(x), labels: [[level, text]]}; the level of a number that is not known is null.
  function scale(measure, numbers) {
    const ends = measure.ends || spread(numbers.filter(known));
    return measure.diverging ? diverging(measure, ends) : sequential(measure, ends);
  }

  function spread(found) {
    const least = found.reduce((a, b) => Math.min(a, b), Infinity);
    const most = found.reduce((a, b) => Math.max(a, b), -Infinity);
    return Array.from({ length: STEPS - 1 }, (_, k) => least + ((most - least) * (k + 1)) / STEPS);
  }

  function sequential(measure, ends) {
    const beyond = measure.falling ? (x, end) => x < end : (x, end) => x > end;
    const level = (x) => (known(x) ? ends.filter((end) => beyond(x, end)).length : null);
    const [near, far] = measure.falling ? ["from", "below"] : ["up to", "above"];
    const labels = [[0, `${near} ${short(ends[0])}`], ...ends.map((end, k) => [k + 1, `${far} ${short(end)}`])];
    return { level, labels };
  }

  function diverging(measure, ends) {
    const from = measure.from || ((x) => x);
    const end = measure.end || short;
    const level = (x) => {
      const at = known(x) ? from(x) : null;
      if (at === null) return null;
      return Math.sign(at) * ends.filter((one) => Math.abs(at) > one).length || 0;
    };
    const below = ends.map((one, k) => [-k - 1, `below ${end(-one)}`]).reverse();
    const above = ends.map((one, k) => [k + 1, `above ${end(one)}`]);
    return { level, labels: [...below, [0, `${end(-ends[0])} to ${end(ends[0])}`], ...above] };
  }

  // The class of a level: `up3`, `down2`, `level0`.
  const className = (level) => (level === null ? "unknown" : level === 0 ? "level0" : level > 0 ? `up${level}` : `down${-level}`);

  return { of, scale, className, known, short, sign, STEPS, HALF };
})();
