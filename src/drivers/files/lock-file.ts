import fs from "node:fs/promises";
import os from "node:os";
import { PintailError } from "../../errors.ts";
import { errorCode } from "./file-error.ts";
import type { FileLock } from "./files.ts";

/**
 * Who holds a lock. A pid alone is not enough: it is used again after a while, after a reboot, and
 * by every container as its 1.
 */
type Holder = {
  readonly pid: number;
  /** Kernel start time of the process, boot id and pid namespace; "" where the system has none. */
  readonly started: string;
  readonly boot: string;
  readonly pidNamespace: string;
  readonly token: string;
};

/** Locks taken by this process (this thread), by token. */
const held = new Set<string>();

const MAX_ATTEMPTS = 40;
const RETRY_MS = 50;
const GUARD_MS = 10_000;

/**
 * The lock is a file that is created exclusively. A holder in another pid namespace cannot be
 * looked at and counts as gone: the catalog's database has the kernel's own lock beside this one.
 */
export async function lockFile(path: string): Promise<FileLock> {
  const me = await describeProcess();
  for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
    if (await createExclusive(path, `${JSON.stringify(me)}\n`)) {
      held.add(me.token);
      return { release: () => release(path, me.token) };
    }
    const text = await readText(path);
    if (text === undefined) continue;
    const holder = parseHolder(text);
    // Being written this moment, or left half written by a crash.
    const fresh = holder === undefined && attempt < MAX_ATTEMPTS / 2;
    if (fresh) {
      await pause();
      continue;
    }
    if (holder !== undefined && (await isAlive(holder, me))) {
      throw new PintailError(
        "unavailable",
        `data folder is in use by process ${holder.pid} (lock file ${path})`,
      );
    }
    if (!(await takeOver(path, text))) await pause();
  }
  throw new PintailError("unavailable", `cannot take the lock file ${path}: others keep taking it`);
}

async function createExclusive(path: string, text: string): Promise<boolean> {
  try {
    await fs.writeFile(path, text, { flag: "wx", mode: 0o640 });
    return true;
  } catch (e) {
    if (errorCode(e) === "EEXIST") return false;
    throw e;
  }
}

async function release(path: string, token: string): Promise<void> {
  held.delete(token);
  const text = await readText(path);
  if (text !== undefined && parseHolder(text)?.token === token) await fs.unlink(path);
}

/**
 * Removes the lock that was read as `text`, if it still is that. A second file makes one process at
 * a time do so: else one that is late would remove the lock which another has just taken.
 */
async function takeOver(path: string, text: string): Promise<boolean> {
  const guard = `${path}.takeover`;
  if (!(await createExclusive(guard, ""))) {
    const stat = await fs.stat(guard).catch(() => undefined);
    // Left by a crash in the few lines below.
    if (stat !== undefined && Date.now() - stat.mtimeMs > GUARD_MS) await unlinkIfThere(guard);
    return false;
  }
  try {
    if ((await readText(path)) === text) await unlinkIfThere(path);
    return true;
  } finally {
    await unlinkIfThere(guard);
  }
}

async function unlinkIfThere(path: string): Promise<void> {
  try {
    await fs.unlink(path);
  } catch (e) {
    if (errorCode(e) !== "ENOENT") throw e;
  }
}

function pause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, RETRY_MS));
}

async function isAlive(holder: Holder, me: Holder): Promise<boolean> {
  if (holder.boot !== me.boot || holder.pidNamespace !== me.pidNamespace) return false;
  if (holder.pid === process.pid) {
    return held.has(holder.token) || (holder.started !== "" && holder.started === me.started);
  }
  try {
    process.kill(holder.pid, 0);
  } catch (e) {
    // EPERM: it lives and belongs to somebody else.
    if (errorCode(e) !== "EPERM") return false;
  }
  return holder.started === "" || holder.started === (await startTime(holder.pid));
}

async function describeProcess(): Promise<Holder> {
  return {
    pid: process.pid,
    started: await startTime(process.pid),
    boot: ((await readText("/proc/sys/kernel/random/boot_id")) ?? os.hostname()).trim(),
    pidNamespace: await fs.readlink("/proc/self/ns/pid").catch(() => ""),
    token: crypto.randomUUID(),
  };
}

/** Field 22 of `/proc/<pid>/stat`, counted after the name, which may hold spaces and brackets. */
async function startTime(pid: number): Promise<string> {
  const stat = await readText(`/proc/${pid}/stat`).catch(() => undefined);
  return stat?.slice(stat.lastIndexOf(")") + 2).split(" ")[19] ?? "";
}

async function readText(path: string): Promise<string | undefined> {
  try {
    return await fs.readFile(path, "utf8");
  } catch (e) {
    if (errorCode(e) === "ENOENT") return undefined;
    throw e;
  }
}

function parseHolder(text: string): Holder | undefined {
  try {
    const value = JSON.parse(text) as Partial<Holder> | null;
    if (typeof value?.pid !== "number" || typeof value.token !== "string") return undefined;
    return {
      pid: value.pid,
      started: value.started ?? "",
      boot: value.boot ?? "",
      pidNamespace: value.pidNamespace ?? "",
      token: value.token,
    };
  } catch {
    return undefined;
  }
}
