// What the file holds: the run, the rows of its table, and details of questions, unpacked on demand.
const Data = (() => {
  const PARTS = 6; // kept unpacked, of 32 questions each
  const SHEETS = 8; // pictures kept decoded
  const run = JSON.parse(document.getElementById("run").textContent);
  const entryKeys = run.entries.map((entry) => entry.key);
  const parts = new Map();
  const sheets = new Map();
  const listeners = [];
  let details = new Map(); // question -> number of its part
  let arranged = null; // rows of the table as it is shown, and their questions once asked for
  let ids = [];
  let counts = null; // rows of each entry

  // Bytes of a packed block, a piece at a time, so that no frame is late.
  function bytesOf(text) {
    const STEP = 4 * 65536;
    let at = 0;
    return new ReadableStream({
      pull(sink) {
        if (at >= text.length) return sink.close();
        const letters = atob(text.slice(at, (at += STEP)));
        const bytes = new Uint8Array(letters.length);
        for (let k = 0; k < letters.length; k++) bytes[k] = letters.charCodeAt(k);
        sink.enqueue(bytes);
      },
    });
  }

  async function unpacked(id) {
    const element = document.getElementById(id);
    if (!element) throw new Error(`This file has no block ${id}: it is not whole.`);
    if (typeof DecompressionStream === "undefined")
      throw new Error("This browser cannot unpack the questions. Chrome 80, Firefox 113, Safari 16.4 and later can.");
    const stream = bytesOf(element.textContent.trim()).pipeThrough(new DecompressionStream("gzip"));
    return JSON.parse(await new Response(stream).text());
  }

  async function fetched(address) {
    const reply = await fetch(address);
    if (!reply.ok) throw new Error(`The server answered ${reply.status} for ${address}.`);
    return reply.json();
  }

  // The newest few of what was asked for.
  function kept(cache, key, most, make) {
    const found = cache.get(key) || make();
    cache.delete(key);
    cache.set(key, found);
    if (cache.size > most) cache.delete(cache.keys().next().value);
    found.catch(() => cache.delete(key));
    return found;
  }

  const rows = { count: 0, get: () => null, column: () => null };
  const first = new Map(); // question -> its first row; `following` chains the others
  let following = new Int32Array(0);

  function take(packed) {
    rows.count = packed.count;
    rows.columns = packed.columns;
    rows.get = (key, i) => {
      const column = packed.columns[key];
      if (!column) return null;
      const found = column.codes ? column.names[column.codes[i]] : column.values[i];
      return found === undefined ? null : found;
    };
    rows.column = (key) => packed.columns[key] || null;
    details = new Map(packed.details.ids.map((id, k) => [id, packed.details.parts[k]]));
    first.clear();
    counts = null;
    following = new Int32Array(packed.count).fill(-1);
    for (let i = packed.count - 1; i >= 0; i--) {
      const id = rows.get("id", i);
      if (first.has(id)) following[i] = first.get(id);
      first.set(id, i);
    }
  }

  // Read the table again when a served run has gone on; `told` is what its page now says of it.
  async function load(told) {
    const packed = await (run.served ? fetched("rows.json") : unpacked("rows"));
    Object.assign(run, told);
    entryKeys.splice(0, entryKeys.length, ...run.entries.map((entry) => entry.key));
    take(packed);
    parts.clear();
    sheets.clear();
    ids = [...first.keys()].reverse();
    for (const listener of listeners) listener();
  }

  // Take the rows of the table as it is shown now.
  function arrange(found) {
    arranged = found;
    ids = null;
  }

  // Questions in the order of the table, each once.
  function listed() {
    if (!ids) ids = [...new Set(Array.from(arranged, (i) => rows.get("id", i)))];
    return ids;
  }

  // Row of an entry and a question; -1 if there is none.
  function rowOf(entryKey, id) {
    const code = entryKeys.indexOf(entryKey);
    const codes = rows.columns ? rows.columns.entry.codes : [];
    for (let i = first.has(id) ? first.get(id) : -1; i >= 0; i = following[i]) if (codes[i] === code) return i;
    return -1;
  }

  // How many questions an entry was asked.
  function asked(entryKey) {
    const code = entryKeys.indexOf(entryKey);
    if (!counts) {
      counts = new Int32Array(entryKeys.length);
      for (const one of rows.columns.entry.codes) counts[one] += 1;
    }
    return code < 0 ? 0 : counts[code];
  }

  // Details of a question; null if the page has none of it.
  async function question(id) {
    await ready;
    const number = details.get(id);
    if (number === undefined) return null;
    const make = () => (run.served ? fetched(`part/${number}.json`) : unpacked(`part-${number}`));
    const part = await kept(parts, number, PARTS, make);
    return part.questions.find((one) => one.id === id) || null;
  }

  // The sheet with a question's pictures, ready to be drawn; null if it has none.
  function sheet(q) {
    if (q.sheet === undefined || q.sheet === null) return Promise.resolve(null);
    return kept(sheets, q.sheet, SHEETS, async () => {
      const image = new Image();
      const held = document.querySelector(`#sheet-${Number(q.sheet)} img`);
      image.src = held ? held.src : `sheet/${Number(q.sheet)}.webp`;
      await image.decode();
      return image;
    });
  }

  // Where a picture lies in its sheet, in pixels; null for none.
  function picture(q, cell) {
    if (q.sheet === undefined || q.sheet === null || !(cell >= 0)) return null;
    const [width, height] = q.cell;
    return { sheet: q.sheet, x: (cell % q.across) * width, y: Math.floor(cell / q.across) * height, width, height };
  }

  // Scripts that follow are there before the first rows are.
  const ready = Promise.resolve().then(() => load());
  ready.catch(() => {}); // main.js says it

  return {
    run, rows, ready, load, rowOf, asked, question, sheet, picture, arrange,
    onLoad: (listener) => listeners.push(listener),
    detailed: () => [...details.keys()],
    get ids() {
      return listed();
    },
  };
})();
