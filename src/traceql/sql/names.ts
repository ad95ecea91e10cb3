import { rawSql, type Sql, sql } from "./sql.ts";

/** Parameters of SQL lambdas, each of its own name, so that nested ones never hide each other. */
export class LambdaNames {
  #count = 0;

  next(): Sql {
    this.#count++;
    return rawSql(`pt_${this.#count}`);
  }

  /** Computes `value` once and uses it in `body` by name: SQL expressions have no `let`. */
  bind(value: Sql, body: (name: Sql) => Sql): Sql {
    const name = this.next();
    return this.bindAs(name, value, body(name));
  }

  /** As `bind`, for a body that is made already; `name` comes from `next`. */
  bindAs(name: Sql, value: Sql, body: Sql): Sql {
    return sql`list_transform([${value}], lambda ${name}: ${body})[1]`;
  }

  /** Whether an element of `list` satisfies `test`; NULL when the list is NULL. */
  some(list: Sql, test: (name: Sql) => Sql): Sql {
    const name = this.next();
    return sql`(len(list_filter(${list}, lambda ${name}: ${test(name)})) > 0)`;
  }
}
