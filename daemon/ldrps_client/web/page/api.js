// Calls of the program that served this page. Addresses are relative: they carry its token.

export class Refusal extends Error {}

const GONE = "The program behind this page does not answer; start 'ldrps web' again and use the "
  + "address that it prints.";

async function call(path, options = {}) {
  let answer;
  try {
    answer = await fetch(path, { cache: "no-store", ...options });
  } catch {
    throw new Refusal(GONE);
  }
  if (answer.ok) return answer;
  let sentence = GONE;
  try {
    sentence = (await answer.json()).error.message;
  } catch { /* not from our pages: the sentence above */ }
  throw new Refusal(sentence);
}

const one = (id) => `api/photos/${encodeURIComponent(id)}`;

export const about = async () => (await call("api/about")).json();

/** All that is to be shown, or null if nothing has changed since a version. */
export async function photos(since) {
  const answer = await call(`api/photos?since=${since}`);
  return answer.status === 204 ? null : answer.json();
}

export async function add(file) {
  const path = `api/photos?name=${encodeURIComponent(file.name)}`;
  return (await (await call(path, { method: "POST", body: file })).json()).id;
}

export const remove = (id) => call(one(id), { method: "DELETE" });
export const cancel = (id) => call(`${one(id)}/cancel`, { method: "POST" });
export const run = (id, settings) =>
  call(`${one(id)}/run`, { method: "POST", body: JSON.stringify(settings) });

/** Address of a picture; `number` changes when the picture does. */
export const picture = (id, which, number = 0) => `${one(id)}/${which}?${number}`;
export const result = (id) => `${one(id)}/result`;

/** All results of the hot folders, or null if nothing has changed since a version. */
export async function watched(since) {
  const answer = await call(`api/watched?since=${since}`);
  return answer.status === 204 ? null : answer.json();
}

/** What is known of a result once its files are read; its id has the folder in it. */
export const details = async (id) => (await call(`api/watched/${id}`)).json();
export const judge = (id, verdict) =>
  call(`api/watched/${id}`, { method: "POST", body: JSON.stringify({ verdict }) });
export const resultPicture = (id, which, number = 0) => `api/watched/${id}/${which}?${number}`;
