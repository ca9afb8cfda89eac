import { useState } from "react";

import type { Camera } from "../api/types";
import { useSaveCamera, type CameraChange } from "./queries";

export interface Draft<T> {
  readonly value: T;
  readonly isDirty: boolean;
  /** Somebody else changed this part since it was read here. */
  readonly isOvertaken: boolean;
  readonly isSaving: boolean;
  readonly isSaved: boolean;
  readonly error: unknown;
  readonly set: (value: T) => void;
  readonly save: (change: CameraChange) => void;
  /** Drop what was changed here and take what is saved. */
  readonly takeTheirs: () => void;
}

/**
 * One part of a camera as it is being changed.
 *
 * A change of another part of the camera, by anybody, does not disturb; a change of this very part is never overwritten
 * unseen.
 */
export function useDraft<T>(camera: Camera, read: (camera: Camera) => T): Draft<T> {
  const [base, setBase] = useState(camera);
  const [value, setValue] = useState(() => read(camera));
  const isDirty = !isSame(value, read(base));
  const hasChanged = !isSame(read(camera), read(base));
  const mutation = useSaveCamera(camera.id, hasChanged ? base.version : camera.version);

  const take = (latest: Camera) => {
    setBase(latest);
    setValue(read(latest));
  };
  if (hasChanged && !isDirty) take(camera);

  return {
    value,
    isDirty,
    isOvertaken: hasChanged && isDirty,
    isSaving: mutation.isPending,
    isSaved: mutation.isSuccess && !isDirty,
    error: mutation.error,
    set: setValue,
    save: (change) =>
      mutation.mutate(change, {
        onSuccess: (saved) => {
          setBase(saved);
          // Who went on drawing in the meantime keeps it, as a change that is not saved yet.
          setValue((now) => (isSame(now, value) ? read(saved) : now));
        },
      }),
    takeTheirs: () => {
      mutation.reset();
      take(camera);
    },
  };
}

function isSame(one: unknown, other: unknown): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}
