// What the learning curves draw, without a picture of it: names, groups, smoothing, ends of axes.
const CurveData = (() => {
  const AXES = ["update", "step", "epoch"];
  const MAIN = ["eval/score", "eval/accuracy", "eval/frames", "rollout/accuracy", "rollout/return",
    "rollout/turns", "rollout/frames", "losses/entropy", "losses/approx_kl"];
  const isNumber = (value) => typeof value === "number" && Number.isFinite(value);

  // Returns {axis, x, names, values}: values[name][k] belongs to x[k], null where it was not taken.
  const read = (rows) => {
    const axis = AXES.find((key) => rows.some((row) => isNumber(row[key]))) || "";
    const names = new Set();
    rows.forEach((row) => Object.keys(row).forEach((key) => {
      if (key !== axis && isNumber(row[key])) names.add(key);
    }));
    const x = rows.map((row, k) => (isNumber(row[axis]) ? row[axis] : k));
    const values = {};
    names.forEach((name) => {
      values[name] = rows.map((row) => (isNumber(row[name]) ? row[name] : null));
    });
    return { axis: axis || "line", x, names: [...names].sort(), values };
  };

  // Returns [group, names]: the main ones, then one group for each prefix, as the file has them.
  const groups = (names, wanted) => {
    const words = wanted.toLowerCase().split(/\s+/).filter(Boolean);
    const found = names.filter((name) => words.every((word) => name.toLowerCase().includes(word)));
    const main = MAIN.filter((name) => found.includes(name));
    const by = new Map(main.length ? [["main", main]] : []);
    found.forEach((name) => {
      const cut = name.indexOf("/");
      const group = cut < 0 ? "others" : name.slice(0, cut);
      if (!by.has(group)) by.set(group, []);
      by.get(group).push(name);
    });
    return [...by];
  };

  // Returns a mean that forgets: each value counts `keep` times as much as the one after it. What
  // was not taken stays out, and the first values are not drawn towards 0.
  const smooth = (values, keep) => {
    if (!keep) return values;
    let sum = 0, weight = 0;
    return values.map((value) => {
      if (value === null) return null;
      sum = sum * keep + value;
      weight = weight * keep + 1;
      return sum / weight;
    });
  };

  const finite = (values) => values.filter((value) => value !== null);

  // Returns the ends of an axis: [low, high], different, and above 0 for a logarithm.
  const ends = (values, log) => {
    const used = finite(values).filter((value) => !log || value > 0);
    if (!used.length) return log ? [1, 10] : [0, 1];
    let low = used[0], high = used[0];
    used.forEach((value) => { low = Math.min(low, value); high = Math.max(high, value); });
    if (low === high) return log ? [low / 2, high * 2] : [low - (Math.abs(low) || 1) / 2, high + (Math.abs(high) || 1) / 2];
    return [low, high];
  };

  // Returns the number of the value that is nearest to `at`; x ascends.
  const nearest = (x, at) => {
    let low = 0, high = x.length - 1;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (x[middle] <= at) low = middle; else high = middle;
    }
    return Math.abs(x[high] - at) < Math.abs(x[low] - at) ? high : low;
  };

  const text = (value) => {
    if (value === null || value === undefined) return "-";
    const size = Math.abs(value);
    if (size && (size < 1e-3 || size >= 1e6)) return value.toExponential(2);
    return String(Number(value.toPrecision(4)));
  };

  return { read, groups, smooth, ends, nearest, text, finite };
})();
