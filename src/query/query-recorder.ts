import type { SegmentSummary } from "../schema/segment-meta.ts";

export type RecordedStatement = {
  readonly sql: string;
  /** From asking to the last row handed over, waiting for a connection included. */
  readonly durationMs: number;
  readonly rowCount: number;
  /** Why it failed; `undefined` when it did not. */
  readonly error: string | undefined;
};

/** What became of a tenant's segments. Each list holds the next one, `possible` the last two. */
export type RecordedSegments = {
  readonly tenant: string;
  /** In the view of the catalog. */
  readonly known: readonly SegmentSummary[];
  /** Overlap the time range. */
  readonly inRange: readonly SegmentSummary[];
  /** May hold a match, as far as the catalog tells; the others were pruned. */
  readonly possible: readonly SegmentSummary[];
  /** Not read since their filters tell that they hold none. */
  readonly ruledOut: readonly SegmentSummary[];
  /** Looked for matches; the others hold older traces than were needed. */
  readonly read: readonly SegmentSummary[];
};

/** A query of thousands of statements is explained by its first ones. */
const MAX_STATEMENTS = 1000;
const MAX_TEXT_CHARS = 8 * 1024 * 1024;

/** Keeps what a query did, for `explain`. One query each; a repeated attempt begins anew. */
export class QueryRecorder {
  #statements: RecordedStatement[] = [];
  #segments: RecordedSegments[] = [];
  #statementCount = 0;
  #textChars = 0;

  /** In the order of their ends; the first 1000 at most. */
  get statements(): readonly RecordedStatement[] {
    return this.#statements;
  }

  /** All of them, also those whose text was not kept. */
  get statementCount(): number {
    return this.#statementCount;
  }

  get segments(): readonly RecordedSegments[] {
    return this.#segments;
  }

  beginAttempt(): void {
    this.#statements = [];
    this.#segments = [];
    this.#statementCount = 0;
    this.#textChars = 0;
  }

  addStatement(statement: RecordedStatement): void {
    this.#statementCount++;
    this.#textChars += statement.sql.length;
    if (this.#statements.length >= MAX_STATEMENTS || this.#textChars > MAX_TEXT_CHARS) return;
    this.#statements.push(statement);
  }

  addSegments(segments: RecordedSegments): void {
    this.#segments.push(segments);
  }
}
