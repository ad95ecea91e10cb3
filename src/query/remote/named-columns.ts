/** String literals, quoted names and words; what stands between them names nothing. */
const PIECE = /'(?:[^']|'')*'|"((?:[^"]|"")*)"|[A-Za-z_][A-Za-z0-9_]*/g;

/**
 * All names in a statement of ours, in lower case: those of its columns, and many that are none. It
 * must have no comments, and no literals but in single quotes.
 */
export function namesIn(sql: string): ReadonlySet<string> {
  const names = new Set<string>();
  for (const [piece, quoted] of sql.matchAll(PIECE)) {
    if (quoted !== undefined) names.add(quoted.replaceAll('""', '"').toLowerCase());
    else if (!piece.startsWith("'")) names.add(piece.toLowerCase());
  }
  return names;
}
