// Which rows the address asks for, in which order: filtered, searched, sorted, a slice at a time.
const Selection = (() => {
  const SEARCHED = ["question", "id", "gold", "prediction"];
  const listeners = [];
  const now = { rows: new Int32Array(0), terms: null, sort: null, busy: true };
  let asked = "";
  let turn = 0;
  let index = null; // lower-case text of each row, once somebody searches
  let named = null; // rows by the names of their questions

  // `-turns` as {key, down}; null for the order of the file.
  function sortOf(text) {
    const column = text ? Columns.find(text.replace(/^-/, "")) : undefined;
    return column ? { key: column.key, down: text.startsWith("-") } : null;
  }

  // Follow the address. Resolves when the rows are there; a later call ends an earlier one.
  async function follow(state) {
    const key = JSON.stringify([state.filter || "", state.find || "", state.sort || ""]);
    if (key === asked) return;
    asked = key;
    const mine = ++turn;
    const alive = () => mine === turn;
    now.busy = true;
    if (!Data.rows.columns) return; // what was asked for is found once the rows are there
    const terms = Filters.parse(state.filter);
    const sort = sortOf(state.sort);
    const mask = await masked(Filters.tests(terms), wordsOf(terms, state.find), alive);
    const order = mask && (await ordered(sort));
    if (!order || !alive()) return;
    Object.assign(now, { rows: order.filter((i) => mask[i]), terms, sort, busy: false });
    Data.arrange(now.rows);
    for (const listener of listeners) listener(now);
  }

  const wordsOf = (terms, find) => [...terms.words, ...Filters.words(find)].map((word) => word.toLowerCase());

  // Which rows pass all tests and hold all words, or null if it was ended.
  async function masked(tests, words, alive) {
    const mask = new Uint8Array(Data.rows.count).fill(1);
    for (const test of tests) {
      const whole = await Work.slices(mask.length, (from, to) => {
        for (let i = from; i < to; i++) if (mask[i] && !test(i)) mask[i] = 0;
      }, alive);
      if (!whole) return null;
    }
    if (!words.length) return mask;
    const texts = await indexed();
    const whole = alive() && (await Work.slices(mask.length, (from, to) => {
      for (let i = from; i < to; i++) if (mask[i] && !words.every((word) => texts[i].includes(word))) mask[i] = 0;
    }, alive));
    return whole ? mask : null;
  }

  // The texts that are searched, made once.
  function indexed() {
    if (!index) index = makeIndex();
    return index;
  }

  async function makeIndex() {
    const texts = new Array(Data.rows.count);
    const parts = SEARCHED.map(lowered);
    await Work.slices(texts.length, (from, to) => {
      for (let i = from; i < to; i++) texts[i] = parts.map((part) => part(i)).join("\n");
    });
    return texts;
  }

  function lowered(key) {
    const column = Data.rows.column(key);
    const low = (value) => (value === null || value === undefined ? "" : String(value).toLowerCase());
    if (!column) return () => "";
    if (!column.codes) return (i) => low(column.values[i]);
    const names = column.names.map(low);
    return (i) => (column.codes[i] < 0 ? "" : names[column.codes[i]]);
  }

  // All rows in order. What is equal stands by id; what has no value is last both ways.
  async function ordered(sort) {
    if (!named) named = byName();
    if (!sort) return counted(plain(), telling(), false);
    const [base, found] = await Promise.all([named, Columns.places(sort.key)]);
    return counted(base, found, sort.down);
  }

  async function byName() {
    const { codes } = Data.rows.column("entry");
    const entries = Data.run.entries.length;
    const byEntry = counted(plain(), { places: Int32Array.from(codes), count: entries }, false);
    return counted(byEntry, await Columns.places("id"), false);
  }

  const plain = () => Int32Array.from({ length: Data.rows.count }, (_, i) => i);

  // The most telling questions first: so the file has them.
  function telling() {
    const of = new Map(Data.detailed().map((id, place) => [id, place]));
    const places = new Int32Array(Data.rows.count);
    for (let i = 0; i < places.length; i++) {
      const place = of.get(Data.rows.get("id", i));
      places[i] = place === undefined ? -1 : place;
    }
    return { places, count: of.size };
  }

  // Rows by their places, those without one last; equal ones stay in the order of `base`.
  function counted(base, { places, count }, down) {
    const bucket = (i) => (places[i] < 0 ? count : down ? count - 1 - places[i] : places[i]);
    const starts = new Int32Array(count + 2);
    for (const i of base) starts[bucket(i) + 1] += 1;
    for (let k = 1; k < starts.length; k++) starts[k] += starts[k - 1];
    const out = new Int32Array(base.length);
    for (const i of base) out[starts[bucket(i)]++] = i;
    return out;
  }

  // How many rows have each value of a column, of those that pass all other terms.
  async function counts(key, but = [key]) {
    const state = State.get();
    const terms = Filters.parse(state.filter);
    const mask = await masked(Filters.tests(terms, but), wordsOf(terms, state.find), () => true);
    const found = new Map();
    for (let i = 0; i < mask.length; i++) {
      if (!mask[i]) continue;
      const value = typeof key === "function" ? key(i) : Data.rows.get(key, i);
      found.set(value, (found.get(value) || 0) + 1);
    }
    return found;
  }

  // Call a function with {rows, terms, sort} whenever other rows were found.
  const on = (listener) => listeners.push(listener);

  Data.onLoad(() => {
    asked = "";
    index = null;
    named = null;
    follow(State.get());
  });
  State.on(follow);

  return { follow, on, counts, now, prepare: indexed };
})();
