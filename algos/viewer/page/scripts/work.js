// Long work in short slices, so that the page answers in between.
const Work = (() => {
  const SLICE = 10; // ms between two pauses
  const STEP = 4096; // items between two looks at the clock

  // Resolves after what waits has had its turn: input, drawing.
  function pause() {
    if (typeof scheduler !== "undefined" && scheduler.yield) return scheduler.yield();
    return new Promise((done) => {
      const { port1, port2 } = new MessageChannel();
      port1.onmessage = () => {
        port1.close();
        done();
      };
      port2.postMessage(0);
    });
  }

  // Call `some(from, to)` for pieces of `count` items; false if `alive()` ended it.
  async function slices(count, some, alive = () => true, step = STEP) {
    let began = performance.now();
    for (let from = 0; from < count; from += step) {
      some(from, Math.min(count, from + step));
      if (performance.now() - began > SLICE) {
        await pause();
        if (!alive()) return false;
        began = performance.now();
      }
    }
    return true;
  }

  // Items in order: sorted runs, then merged. Equal ones stay as they were.
  async function sorted(items, compare) {
    const RUN = 1024;
    let runs = [];
    await slices(items.length, (from, to) => runs.push(items.slice(from, to).sort(compare)), undefined, RUN);
    while (runs.length > 1) {
      const next = [];
      for (let k = 0; k < runs.length; k += 2)
        next.push(k + 1 < runs.length ? await merged(runs[k], runs[k + 1], compare) : runs[k]);
      runs = next;
    }
    return runs[0] || [];
  }

  async function merged(a, b, compare) {
    const out = new Array(a.length + b.length);
    let i = 0;
    let j = 0;
    await slices(out.length, (from, to) => {
      for (let k = from; k < to; k++)
        out[k] = j >= b.length || (i < a.length && compare(a[i], b[j]) <= 0) ? a[i++] : b[j++];
    });
    return out;
  }

  return { pause, slices, sorted };
})();
