import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { join, sep } from "node:path";
import { runtimeFolders } from "./find-node.mjs";

/**
 * Each running query holds a thread of libuv's pool, whose size is read when the process begins:
 * with the default of 4, queries would stop file I/O.
 */
const THREAD_POOL_SIZE = 16;

/**
 * Signals that a service manager or a shell sends to the process it knows. SIGQUIT and SIGUSR1 are
 * left out: they are for whoever looks at one process.
 */
const FORWARDED = ["SIGTERM", "SIGINT", "SIGHUP", "SIGUSR2"];

/**
 * Runs the steps, and ends this process with the last one's exit code; a failing step is the last.
 * A single step takes this process's place where the runtime can do that.
 *
 * @param {string} root the folder that holds `src`
 * @param {string} runtime path of Node, Bun or Deno
 * @param {{ steps: { script: string, args: string[] }[], inRoot: boolean }} command
 */
export async function runSteps(root, runtime, { steps, inRoot }) {
  if (inRoot) process.chdir(root);
  const env = environment(root);
  for (const { script, args } of steps) {
    const argv = [...runtimeFlags(root), script, ...args];
    const inPlace = steps.length === 1 && typeof process.execve === "function";
    if (
      inPlace &&
      !process.versions.bun &&
      !process.versions.deno &&
      process.platform !== "win32"
    ) {
      process.execve(runtime, [runtime, ...argv], env);
    }
    const ended = await runChild(runtime, argv, env);
    if (ended.signal !== null) return endBySignal(ended.signal);
    if (ended.code !== 0) process.exit(ended.code);
  }
  process.exit(0);
}

/** What must be set before the process begins. The user's own values win, except for a small pool. */
function environment(root) {
  const size = Math.max(THREAD_POOL_SIZE, Number(process.env.UV_THREADPOOL_SIZE) || 0);
  return {
    // Sources without types and compiled code are kept from one start to the next: each thread
    // starts in a third of the time and without the type stripper's memory.
    NODE_COMPILE_CACHE: join(runtimeFolders(root)[0], "compile-cache"),
    // By default glibc keeps up to eight heaps a processor, which hold on to what queries freed.
    MALLOC_ARENA_MAX: "2",
    // Column data comes in blocks of megabytes: glibc would keep them in its heaps, full of holes.
    MALLOC_MMAP_THRESHOLD_: "1048576",
    // For each file of a query thousands of small blocks are taken and freed, and a thread keeps 7 of
    // a size by default: with more of them 1000 files take a tenth less of the processor.
    GLIBC_TUNABLES: "glibc.malloc.tcache_count=500",
    ...process.env,
    UV_THREADPOOL_SIZE: String(size),
  };
}

/**
 * In MiB. A request leaves little JavaScript and many times that in buffers, which are freed with it:
 * with 16, the default, these grow so much in between that all of the heap is collected instead.
 */
const YOUNG_GENERATION = "--max-semi-space-size=1";

function runtimeFlags(root) {
  if (process.versions.bun) return [];
  if (process.versions.deno) return ["run", "-A", "--node-modules-dir=manual"];
  // Older releases announce on every start that stripping types is experimental.
  const flags = ["--disable-warning=ExperimentalWarning", YOUNG_GENERATION];
  // Node strips no types below node_modules, where an installed package lies.
  const hook = join(root, "bin", "strip-types.mjs");
  if (root.split(sep).includes("node_modules") && existsSync(hook)) flags.push("--import", hook);
  return flags;
}

/** @returns {Promise<{ code: number, signal: NodeJS.Signals | null }>} */
function runChild(command, argv, env) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, argv, { stdio: "inherit", env });
    const listeners = FORWARDED.filter((signal) => !isFromTerminal(signal)).map((signal) => {
      const listener = () => child.kill(signal);
      process.on(signal, listener);
      return [signal, listener];
    });
    // Without a listener this process would end before the child had time to stop.
    const stay = () => {};
    process.on("SIGINT", stay);
    const release = () => {
      process.off("SIGINT", stay);
      for (const [signal, listener] of listeners) process.off(signal, listener);
    };
    child.on("error", (error) => {
      release();
      reject(error);
    });
    child.on("exit", (code, signal) => {
      release();
      resolve({ code: code ?? 1, signal });
    });
  });
}

/** Ctrl-C reaches every process of the terminal's group; sent twice it would mean "at once". */
function isFromTerminal(signal) {
  return signal === "SIGINT" && process.stdin.isTTY === true;
}

function endBySignal(signal) {
  process.kill(process.pid, signal);
  // Windows ends at once, and some signals are ignored: do not hang.
  setTimeout(() => process.exit(1), 1000);
}
