// Appends one event to a session's log, from Node. Hold the file's lock around it, as every writer does:
//   flock s.jsonl node append.mjs s.jsonl '{"type":"attempt_failed","model":"kimi/kimi2.5","reason":"timeout"}'
import { createHash, randomBytes } from "node:crypto";
import { closeSync, fdatasyncSync, openSync, readFileSync, writeSync } from "node:fs";
import { basename } from "node:path";

const [file, text] = process.argv.slice(2);
const seal = (body) => createHash("sha256").update(body).digest("hex").slice(0, 32);
const parse = (line) => { try { return JSON.parse(line); } catch { return null; } };
const fd = openSync(file, "a+", 0o600);
const before = readFileSync(file);
const lines = before.toString("utf8").split("\n").filter((line) => line !== "");
const header = parse(lines[0] ?? "");
const session = header?.type === "session" && header.id ? header.id : basename(file).split(".jsonl")[0];
const timestamp = new Date().toISOString();

let prev = null, parentId = null; // the seal of the last sealed record of this session; the id of the last entry
for (const line of lines) {
  const fields = parse(line), end = line.lastIndexOf(',"seal":"');
  if (fields?.id && fields.type !== "session") parentId = fields.id;
  const body = end < 0 ? "" : line.slice(0, end);
  if (fields?.session === session && line === `${body},"seal":"${seal(body)}"}`) prev = fields.seal;
}
const { type, ...more } = JSON.parse(text);
const event = { type, id: randomBytes(8).toString("hex"), parentId, timestamp, session, ...more, v: 1, prev };
const body = JSON.stringify(event).slice(0, -1);
let lead = ""; // a new file's header, or the end of somebody's torn line
if (!before.length) lead = JSON.stringify({ type: "session", version: 3, id: session, timestamp, cwd: process.cwd() }) + "\n";
else if (before[before.length - 1] !== 10) lead = "\n";
writeSync(fd, `${lead}${body},"seal":"${seal(body)}"}\n`); // one write ...
fdatasyncSync(fd); // ... and on the disk before anybody is told
closeSync(fd);
