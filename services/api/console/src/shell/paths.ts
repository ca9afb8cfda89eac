/** Addresses inside the console. */
export const PATHS = {
  wall: "/live",
  alerts: "/alerts",
  playback: "/playback",
  cameras: "/cameras",
  newCamera: "/new-camera",
  health: "/health",
  audit: "/audit",
  account: "/account",
} as const;

export function livePath(camera: string): string {
  return `${PATHS.wall}/${encodeURIComponent(camera)}`;
}

export function cameraPath(camera: string): string {
  return `${PATHS.cameras}/${encodeURIComponent(camera)}`;
}

/** Address of a moment of a camera's recording; it can be bookmarked and handed on. */
export function playbackPath(camera: string, atMs: number): string {
  const query = new URLSearchParams({ camera, at: new Date(atMs).toISOString() });
  return `${PATHS.playback}?${query.toString()}`;
}
