/** What the api says when it refuses (RFC 9457): `detail` for a person, `code` for programs and translations. */
export class ApiProblem extends Error {
  override name = "ApiProblem";

  constructor(
    readonly status: number,
    readonly code: string,
    readonly detail: string,
    /** Further members, e.g. who acknowledged. */
    readonly more: Readonly<Record<string, unknown>> = {},
  ) {
    super(detail);
  }
}

/** Code of a request that never reached the api. */
export const UNREACHABLE = "unreachable";

/** Read a problem out of an answer's body; an answer that is none (a proxy's page) keeps its status alone. */
export function problemOf(status: number, body: unknown): ApiProblem {
  if (typeof body !== "object" || body === null) return new ApiProblem(status, "http_error", "");
  const { code, detail, ...more } = body as Record<string, unknown>;
  return new ApiProblem(
    status,
    typeof code === "string" ? code : "http_error",
    typeof detail === "string" ? detail : "",
    more,
  );
}

export function isProblem(error: unknown, ...codes: string[]): error is ApiProblem {
  return error instanceof ApiProblem && (codes.length === 0 || codes.includes(error.code));
}
