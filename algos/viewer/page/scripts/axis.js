// The time axis as arithmetic: where a second lies, which ticks are good, what zooming does.
const Axis = (() => {
  const STEPS = [
    0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600,
    900, 1800, 3600, 7200, 10800, 21600, 43200, 86400,
  ];
  // Seconds: no window is narrower, for the keys of a wheel do not end.
  const NARROWEST = 0.05;
  // Pixels: nothing on the axis is narrower, for a moment in two hours must still be seen.
  const LEAST = 3;

  const whole = (duration) => [0, duration];

  function place(second, [start, end], width) {
    return ((second - start) / (end - start)) * width;
  }

  function second(x, [start, end], width) {
    return start + (x / width) * (end - start);
  }

  // Left edge and width of a stretch in pixels, at least LEAST wide around its middle.
  function stretch([from, to], window, width) {
    const left = place(from, window, width);
    const wide = place(to, window, width) - left;
    if (wide >= LEAST) return [left, wide];
    return [left - (LEAST - wide) / 2, LEAST];
  }

  // The same, cut to a little outside the plot: pictures of millions of pixels are not drawn well.
  function drawn(span, window, width) {
    const [left, wide] = stretch(span, window, width);
    const x0 = Math.max(left, -20);
    const x1 = Math.min(left + wide, width + 20);
    return x1 > x0 ? [x0, x1 - x0] : null;
  }

  // The window after zooming by a factor: the second `at` stays where it is, but for the ends.
  function zoomed([start, end], at, factor, duration) {
    const least = Math.min(NARROWEST, duration);
    const wide = Math.min(Math.max((end - start) * factor, least), duration);
    const from = at - ((at - start) * wide) / (end - start);
    return moved([from, from + wide], 0, duration);
  }

  function moved([start, end], by, duration) {
    const wide = end - start;
    const from = Math.min(Math.max(start + by, 0), Math.max(duration - wide, 0));
    return [from, Math.min(from + wide, duration)];
  }

  // A window that shows a second: the same, or moved so that the second is in its middle.
  function showing(window, at, duration) {
    const [start, end] = window;
    if (at >= start && at <= end) return window;
    return moved(window, at - (start + end) / 2, duration);
  }

  // A window with all of some stretches in its middle third.
  function around(spans, duration) {
    const from = spans.reduce((least, [start]) => Math.min(least, start), Infinity);
    const to = spans.reduce((most, [, end]) => Math.max(most, end), -Infinity);
    const wide = Math.max(to - from, NARROWEST);
    return zoomed([from - wide, from + 2 * wide], from + wide / 2, 1, duration);
  }

  const isWhole = ([start, end], duration) => start <= 0 && end >= duration;

  // Seconds of the ticks of a window, and the decimals that their labels need.
  function ticks([start, end], width, apart = 76) {
    const wanted = ((end - start) / Math.max(width, 1)) * apart;
    const step = STEPS.find((one) => one >= wanted) || Math.ceil(wanted / 86400) * 86400;
    const decimals = step >= 1 ? 0 : Math.ceil(-Math.log10(step) - 1e-9);
    const found = [];
    for (let k = Math.ceil(start / step - 1e-9); k * step <= end + 1e-9 * step; k += 1) {
      found.push(k * step);
    }
    return { seconds: found, step, decimals };
  }

  // A time as M:SS or H:MM:SS, with so many decimals.
  function clock(at, decimals = 0) {
    const unit = 10 ** decimals;
    const all = Math.round(at * unit);
    const seconds = Math.floor(all / unit);
    const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60];
    const two = (n) => String(n).padStart(2, "0");
    const rest = decimals ? `.${String(all % unit).padStart(decimals, "0")}` : "";
    const head = hours ? `${hours}:${two(minutes)}` : `${minutes}`;
    return `${head}:${two(seconds % 60)}${rest}`;
  }

  // First place in a sorted list of numbers that is not below a value.
  function from(sorted, value) {
    let [low, high] = [0, sorted.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (sorted[middle] < value) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  // Places of sorted seconds inside the window, one for each half pixel: their number is bounded by
  // the width, not by how many there are.
  function thinned(sorted, window, width) {
    const margin = ((window[1] - window[0]) / Math.max(width, 1)) * 8;
    const found = [];
    let k = from(sorted, window[0] - margin);
    while (k < sorted.length && sorted[k] <= window[1] + margin) {
      const x = Math.round(place(sorted[k], window, width) * 2) / 2;
      found.push(x);
      const next = second(x + 0.25, window, width);
      k = Math.max(k + 1, from(sorted, next));
    }
    return found;
  }

  return {
    LEAST, NARROWEST, whole, place, second, stretch, drawn, zoomed, moved, showing, around, isWhole, ticks,
    clock, from, thinned,
  };
})();
