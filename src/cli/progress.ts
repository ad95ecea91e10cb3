export type ProgressTerminal = {
  readonly isTTY?: boolean | undefined;
  readonly columns?: number | undefined;
  write(text: string): unknown;
};

/** One line that is written over again and again; nothing at all where there is no terminal. */
export class ProgressLine {
  readonly #terminal: ProgressTerminal;
  readonly #nowMs: () => number;
  #shownMs = Number.NEGATIVE_INFINITY;
  #isShown = false;

  constructor(terminal: ProgressTerminal, nowMs: () => number) {
    this.#terminal = terminal;
    this.#nowMs = nowMs;
  }

  /** Shows the line, unless it did so a moment ago. */
  show(line: () => string): void {
    if (this.#terminal.isTTY !== true) return;
    const now = this.#nowMs();
    if (now - this.#shownMs < REDRAW_MS) return;
    this.#shownMs = now;
    this.#isShown = true;
    const width = Math.max(20, (this.#terminal.columns ?? 80) - 1);
    this.#terminal.write(`\r${line().slice(0, width)}\u001b[K`);
  }

  /** Writes a line that stays. */
  log(text: string): void {
    this.clear();
    this.#terminal.write(`${text}\n`);
  }

  clear(): void {
    if (!this.#isShown) return;
    this.#isShown = false;
    this.#shownMs = Number.NEGATIVE_INFINITY;
    this.#terminal.write("\r\u001b[K");
  }
}

const REDRAW_MS = 100;
const BAR_CHARS = 24;
const UNITS = ["B", "kB", "MB", "GB", "TB"];

/** `[######------]  50%` */
export function progressBar(share: number): string {
  const bounded = Math.min(1, Math.max(0, share));
  const done = Math.floor(bounded * BAR_CHARS);
  const bar = "#".repeat(done) + "-".repeat(BAR_CHARS - done);
  return `[${bar}] ${String(Math.floor(bounded * 100)).padStart(3)}%`;
}

export function bytesText(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 1000 && unit < UNITS.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${unit === 0 ? value : value.toFixed(1)} ${UNITS[unit]}`;
}
