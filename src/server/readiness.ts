/** Whether this process takes work. Parts register checks; `stopping` overrides them all. */
export class Readiness {
  readonly #checks: (() => string | undefined)[] = [];
  #stopping = false;

  /** `check` returns why its part is not ready, or undefined. */
  add(check: () => string | undefined): void {
    this.#checks.push(check);
  }

  stop(): void {
    this.#stopping = true;
  }

  /** Undefined when ready, else the reason as `/ready` shows it. */
  reason(): string | undefined {
    if (this.#stopping) return "Application is stopping";
    for (const check of this.#checks) {
      const reason = check();
      if (reason !== undefined) return reason;
    }
    return undefined;
  }

  response(): Response {
    const reason = this.reason();
    return new Response(`${reason ?? "ready"}\n`, {
      status: reason === undefined ? 200 : 503,
      headers: { "content-type": "text/plain; charset=utf-8" },
    });
  }
}
