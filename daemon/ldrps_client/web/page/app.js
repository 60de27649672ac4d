// The page: asks the program how things stand, and gives each part what it shows.

import * as api from "./api.js";
import { choosing } from "./choosing.js";
import { Panel, isBusy } from "./panel.js";
import { Strip, standing } from "./strip.js";
import { Viewer } from "./viewer.js";
import { Watched } from "./watched.js";

const $ = (id) => document.getElementById(id);

const SOON = 250, LATER = 1500; // milliseconds between questions
const AT_ONCE = 2; // photos on their way at a time

let photos = [], chosen = "", version = 0, limits = null, sending = 0;
const told = new Map();
const waiting = [];

/** Say a sentence that stays until it is dismissed; one that is there already is not repeated. */
function complain(sentence) {
  const all = [...document.querySelectorAll("#alerts p span")];
  if (all.some((each) => each.textContent === sentence)) return;
  const text = document.createElement("span"), close = document.createElement("button");
  const line = document.createElement("p");
  text.textContent = sentence;
  close.type = "button";
  close.textContent = "×";
  close.ariaLabel = "Dismiss";
  close.addEventListener("click", () => line.remove());
  line.className = "alert";
  line.append(text, close);
  $("alerts").append(line);
}

async function attempt(act) {
  try {
    return await act();
  } catch (error) {
    complain(error instanceof api.Refusal ? error.message : `The page failed: ${error}`);
    return undefined;
  }
}

const current = () => photos.find((photo) => photo.id === chosen);

const viewer = new Viewer();
const strip = new Strip($("photos").querySelector("ul"), {
  choose: (id) => { chosen = id; show(); },
  small: (photo) => photo.result.name ? api.picture(photo.id, "small-after", photo.result.number)
    : photo.width ? api.picture(photo.id, "small") : null,
  mark: (photo) => photo.trouble && photo.state !== "refused" ? "troubled" : photo.state,
  words: standing,
});
const watched = new Watched(viewer, attempt, () => { showPage(); show(); });
const panel = new Panel({
  run: (settings) => act(() => api.run(chosen, settings)),
  cancel: () => act(() => api.cancel(chosen)),
  remove: () => act(async () => {
    const at = photos.findIndex((photo) => photo.id === chosen);
    await api.remove(chosen);
    chosen = (photos[at + 1] ?? photos[at - 1])?.id ?? "";
  }),
});

async function act(what) {
  await attempt(what);
  await refresh();
}

/** Show the photos, or the results of the hot folder. */
function showPage() {
  document.body.classList.toggle("watched", watched.isShown);
  $("photo-buttons").hidden = watched.isShown;
}

function show() {
  if (watched.isShown) return;
  if (!current()) chosen = photos[0]?.id ?? "";
  document.body.classList.toggle("empty", !photos.length);
  $("nothing").hidden = true;
  strip.show(photos, chosen);
  show_all_buttons();
  const photo = current();
  if (!photo) return;
  panel.show(photo);
  $("view").hidden = !photo.width;
  if (photo.width) viewer.show(views(photo));
}

/** Pictures of a photo: the result, or the estimate while it is being restored. */
function views(photo) {
  const { id, name, width, height } = photo;
  const estimate = isBusy(photo) && photo.previews;
  const after = estimate ? api.picture(id, "preview", photo.previews)
    : photo.result.name ? api.picture(id, "after", photo.result.number) : null;
  return {
    key: id, name, width, height, after, label: estimate ? "estimate" : "after",
    before: api.picture(id, "before"), small: api.picture(id, "small"),
  };
}

/** Photos that restoring all would restore. */
function open() {
  return photos.filter((photo) => photo.state === "ready" && panel.wouldChange(photo));
}

function show_all_buttons() {
  const count = open().length, done = photos.filter((photo) => photo.result.name).length;
  $("restore-all").hidden = photos.length < 2 || !count;
  $("restore-all").textContent = `Restore all (${count})`;
  $("save-all").hidden = done < 2;
  $("save-all").textContent = `Save all (${done}, zip)`;
}

/** Tell those who do not see the list what has changed in it. */
function announce() {
  const news = [];
  for (const photo of photos) {
    const key = isBusy(photo) ? "being restored" : photo.trouble || standing(photo);
    const what = photo.state === "done" && !photo.trouble ? "restored" : key;
    if (told.get(photo.id) !== what) news.push(`${photo.name}: ${what}`);
    told.set(photo.id, what);
  }
  if (news.length) $("status").textContent = news.slice(-5).join(". ");
}

async function refresh() {
  const now = await api.photos(version);
  if (!now) return;
  ({ version, photos } = now);
  announce();
  show();
}

async function follow() {
  let failures = 0;
  for (;;) {
    try {
      await refresh();
      failures = 0;
    } catch (error) {
      // Once is a machine that slept.
      if (++failures === 3) complain(error.message);
    }
    const active = sending || photos.some((photo) => isBusy(photo) || photo.state === "reading");
    await new Promise((go) => setTimeout(go, active ? SOON : LATER));
  }
}

function fault(file, number) {
  if (file.size > limits.bytes) {
    return `${file.name} has more than the ${limits.bytes / 1e6} MB that this page takes; start it `
      + "with 'ldrps web --largest MB', or use 'ldrps restore'";
  }
  if (number >= limits.photos) {
    return `The page takes ${limits.photos} photos at a time; the others were left out, use `
      + "'ldrps restore' for whole folders";
  }
  return "";
}

async function send() {
  if (sending >= AT_ONCE || !waiting.length) return;
  const file = waiting.shift();
  sending += 1;
  await attempt(() => api.add(file));
  sending -= 1;
  await attempt(refresh);
  await send();
}

async function take(files) {
  watched.hide();
  await ready;
  if (!limits) return; // and that has been told
  if (!files.length) complain("There is no photo among what you chose.");
  for (const file of files) {
    const why = fault(file, photos.length + sending + waiting.length);
    if (why) complain(why);
    else waiting.push(file);
  }
  for (let more = 0; more < AT_ONCE; more += 1) send();
}

$("restore-all").addEventListener("click", () => act(async () => {
  for (const photo of open()) await api.run(photo.id, panel.settings(photo));
}));
$("settings").addEventListener("input", show_all_buttons);

const ready = attempt(async () => {
  const about = await api.about();
  limits = about.limits;
  panel.recipes = about.recipes;
  $("largest").textContent = `, up to ${limits.bytes / 1e6} MB each`;
});
choosing(take);
follow();
watched.follow();
