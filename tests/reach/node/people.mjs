// People with apps made of nostr-tools: takes requests, a line of JSON each, and tells what happens, a line each.
//
//   {"n": 1, "who": "p1", "do": "join", "bot": …, "kind": …, "writes_at": […], "reads_at": […]}
//   {"n": 1, "value": …} or {"n": 1, "error": …}; {"who": "p1", "id": …, "created_at": …, "text": …}

import { createInterface } from "node:readline";
import WebSocket from "ws";
import { SimplePool, useWebSocketImplementation } from "nostr-tools/pool";
import { finalizeEvent, generateSecretKey, getPublicKey } from "nostr-tools/pure";
import * as nip04 from "nostr-tools/nip04";
import * as nip59 from "nostr-tools/nip59";

useWebSocketImplementation(WebSocket);

const people = new Map();
const tell = (line) => process.stdout.write(JSON.stringify(line) + "\n");

async function join({ who, bot, kind, writes_at, reads_at }) {
  const key = generateSecretKey();
  const pool = new SimplePool({ enableReconnect: true });
  const person = { who, bot, kind, key, pool, writesAt: writes_at };
  people.set(who, person);
  const wanted = { kinds: [4, 1059], "#p": [getPublicKey(key)] };
  await new Promise((resolve) => {
    pool.subscribe(reads_at, wanted, {
      onevent: (event) => take(person, event),
      oneose: resolve,
      onauth: async (template) => finalizeEvent(template, key),
    });
  });
  return getPublicKey(key);
}

async function publishList({ who, kind, tag, urls, at }) {
  const { key, pool } = people.get(who);
  const tags = urls.map((url) => [tag, url]);
  const event = finalizeEvent({ kind, created_at: now(), tags, content: "" }, key);
  await Promise.all(pool.publish(at, event));
}

async function write({ who, text, created_at }) {
  const { bot, kind, key, pool, writesAt } = people.get(who);
  const tags = [["p", bot]];
  if (kind === "nip04") {
    const content = nip04.encrypt(key, bot, text);
    const event = finalizeEvent({ kind: 4, created_at, tags, content }, key);
    await Promise.any(pool.publish(writesAt, event));
    return event.id;
  }
  const rumor = nip59.createRumor({ kind: 14, created_at, tags, content: text }, key);
  const wrap = nip59.createWrap(nip59.createSeal(rumor, key, bot), bot);
  await Promise.any(pool.publish(writesAt, wrap));
  return rumor.id;
}

async function leave({ who }) {
  people.get(who).pool.destroy();
  people.delete(who);
}

function take({ who, bot, key }, event) {
  try {
    if (event.kind === 1059) {
      const rumor = nip59.unwrapEvent(event, key);
      if (rumor.pubkey === bot) {
        tell({ who, id: rumor.id, created_at: rumor.created_at, text: rumor.content });
      }
    } else if (event.pubkey === bot) {
      const text = nip04.decrypt(key, bot, event.content);
      tell({ who, id: event.id, created_at: event.created_at, text });
    }
  } catch (error) {
    tell({ who, error: `an event can't be read: ${error}` });
  }
}

const now = () => Math.floor(Date.now() / 1000);
const deeds = { join, list: publishList, write, leave };

for await (const line of createInterface({ input: process.stdin })) {
  const request = JSON.parse(line);
  deeds[request.do](request).then(
    (value) => tell({ n: request.n, value: value ?? null }),
    (error) => tell({ n: request.n, error: `${error}` }),
  );
}
process.exit(0);
