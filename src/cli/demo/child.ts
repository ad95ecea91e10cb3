import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";

export type Child = {
  readonly name: string;
  readonly pid: number | undefined;
  /** Resolves when the process has ended, however it did. */
  readonly ended: Promise<string>;
  /** Next line of its standard output that `match` accepts; rejects when it ends before. */
  line<T>(match: (line: string) => T | undefined, timeoutMs: number): Promise<T>;
  /** Asks it to stop, then ends it after `graceMs`. */
  stop(graceMs: number): Promise<void>;
};

export type ChildOptions = {
  readonly env: Readonly<Record<string, string>>;
  /** Where its output goes: a file descriptor, or else standard error is shared. */
  readonly logFd?: number;
  /** Own process group, so that Ctrl-C in the terminal does not reach it before its turn. */
  readonly detached?: boolean;
};

/** Options before the script's name, so that the running runtime runs TypeScript. */
function runtimeArguments(): string[] {
  if (process.versions.deno !== undefined) return ["run", "-A", "--node-modules-dir=manual"];
  if (process.versions.bun !== undefined) return [];
  // What this process was started with: it may hold the hook that strips types.
  return process.execArgv;
}

/**
 * Runs a script under the runtime of this process. The child sees its standard input end when this
 * process is gone, whichever way.
 */
export function startChild(
  name: string,
  script: string,
  args: readonly string[],
  options: ChildOptions,
): Child {
  const output = options.logFd ?? "pipe";
  const child: ChildProcess = spawn(process.execPath, [...runtimeArguments(), script, ...args], {
    env: { ...process.env, ...options.env },
    stdio: ["pipe", output, options.logFd ?? "inherit"],
    detached: options.detached ?? false,
  });
  const ended = new Promise<string>((resolve) => {
    child.once("error", (error) => resolve(`cannot start: ${error.message}`));
    child.once("exit", (code, signal) =>
      resolve(signal === null ? `exit code ${code}` : `signal ${signal}`),
    );
  });
  child.stdin?.on("error", () => {}); // The pipe breaks when the child ends; `ended` tells so.
  const lines = child.stdout === null ? undefined : createInterface({ input: child.stdout });
  return {
    name,
    pid: child.pid,
    ended,
    line: (match, timeoutMs) =>
      new Promise((resolve, reject) => {
        const timer = setTimeout(
          () => reject(new Error(`${name} did not start within ${timeoutMs / 1000} s`)),
          timeoutMs,
        );
        void ended.then((how) => {
          clearTimeout(timer);
          reject(new Error(`${name} ended while it started: ${how}`));
        });
        lines?.on("line", (line) => {
          const found = match(line);
          if (found === undefined) return;
          clearTimeout(timer);
          resolve(found);
        });
      }),
    stop: async (graceMs) => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.kill("SIGTERM");
      const timer = setTimeout(() => child.kill("SIGKILL"), graceMs);
      await ended;
      clearTimeout(timer);
    },
  };
}
