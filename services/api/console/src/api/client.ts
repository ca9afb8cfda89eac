import createClient, { type Middleware } from "openapi-fetch";

import { ApiProblem, problemOf, UNREACHABLE } from "./problem";
import type { paths } from "./schema";
import type { DrawnPicture } from "./types";

/** The api takes a change only from a page that can set this header, which no foreign site can. */
export const REQUEST_HEADER = { "X-Beffroi-Request": "1" } as const;

const meant: Middleware = {
  onRequest: ({ request }) => {
    for (const [name, value] of Object.entries(REQUEST_HEADER)) request.headers.set(name, value);
    return request;
  },
};

export const api = createClient<paths>({ baseUrl: window.location.origin, credentials: "same-origin" });
api.use(meant);

interface Answer<T> {
  data?: T;
  error?: unknown;
  response: Response;
}

/**
 * The body of an answer.
 *
 * @throws ApiProblem when the api refuses or cannot be reached.
 */
export async function body<T>(call: Promise<Answer<T>>): Promise<T> {
  const { data, error, response } = await call.catch(unreachable);
  if (!response.ok) throw problemOf(response.status, error);
  return data as T;
}

function unreachable(): never {
  throw new ApiProblem(0, UNREACHABLE, "");
}

/** A still with what its headers say of it. */
export interface Still {
  readonly image: Blob;
  readonly capturedAt: string | null;
  /** What a decision says that is drawn on it; null out of a recording. */
  readonly drawnOn: DrawnPicture | null;
}

/** Fetch a still, so that its capture time and the reason for its absence can be read.
 *
 * @throws ApiProblem e.g. `no_picture`, with why.
 */
export async function fetchStill(path: string): Promise<Still> {
  const response = await fetch(path, { headers: REQUEST_HEADER }).catch(unreachable);
  if (!response.ok) throw problemOf(response.status, await response.json().catch(() => null));
  const drawnOn = response.headers.get("X-Drawn-On");
  return {
    image: await response.blob(),
    capturedAt: response.headers.get("X-Capture-Time"),
    drawnOn: drawnOn === null ? null : (JSON.parse(drawnOn) as DrawnPicture),
  };
}

/** Header for optimistic locking: the change is refused when somebody else made one since `version` was read. */
export function ifMatch(version: number): { "If-Match": string } {
  return { "If-Match": `"${version}"` };
}
