import { expect, test } from "vitest";
import { planLookups } from "../../../src/query/sql/attribute-lookups.ts";

test.each([
  [
    "select count(*) from spans where span_attributes['k'] = 'v'",
    `select count(*) from spans where "span_attributes['k']" = 'v'`,
  ],
  [
    "select s.span_attributes [ 'it''s \"x\"' ] from spans as s -- span_attributes",
    `select s."span_attributes['it''s ""x""']" from spans as s -- span_attributes`,
  ],
  [
    `select a*b, "Resource_Attributes"['k'] from spans`,
    `select a*b, "resource_attributes['k']" from spans`,
  ],
])("%s reads a column instead", (sql, expected) => {
  expect(planLookups(sql)?.sql).toBe(expected);
});

test("a star leaves the additional columns out", () => {
  const plan = planLookups("select *, 1 from spans where span_attributes['k'] = 'v'");
  expect(plan?.sql).toMatch(/^select COLUMNS\(lambda c: .*\), 1 from spans where "span_attr/);
  expect(plan?.lookups).toEqual([{ map: "span_attributes", key: "k" }]);
});

test.each([
  ["no lookup", "select * from spans"],
  ["the map itself", "select span_attributes, span_attributes['k'] from spans"],
  ["a computed key", "select span_attributes['a' || 'b'] from spans"],
  ["a column as key", "select span_attributes[name] from spans"],
  ["a qualified star", "select s.* from spans s where span_attributes['k'] = 'v'"],
  ["a star with EXCLUDE", "select * exclude (name), span_attributes['k'] from spans"],
  ["a star in a function", "select hash(*), span_attributes['k'] from spans"],
  ["FROM first", "from spans where span_attributes['k'] = 'v'"],
  ["FROM first below", "select * from (from spans where span_attributes['k'] = 'v')"],
  ["DESCRIBE", "describe select span_attributes['k'] from spans"],
  ["a row as a value", "select spans, span_attributes['k'] from spans"],
  ["an alias as a value", "select to_json(s) from spans s where span_attributes['k'] = 'v'"],
  ["a quoted alias as a value", `select "S" from spans as s where span_attributes['k'] = 'v'`],
  ["NATURAL JOIN", "select span_attributes['k'] from spans natural join spans"],
  ["DISTINCT ON", "select distinct on (name) * from spans where span_attributes['k'] = 'v'"],
  ["an open string", "select span_attributes['k from spans"],
  ["a dollar quote", "select span_attributes['k'], $$*$$ from spans"],
  ["an escape string", "select span_attributes['k'], E'\\'' from spans"],
  ["nested comments", "select /* /* */ span_attributes['k'] from spans"],
])("%s leaves the statement alone", (_, sql) => {
  expect(planLookups(sql)).toBeUndefined();
});
