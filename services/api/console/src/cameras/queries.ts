import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";

import { api, body, fetchStill, ifMatch } from "../api/client";
import type { Camera, CameraInput, LegalBasis, MaskingInput, ZonesInput } from "../api/types";

export function useCameras() {
  return useQuery({ queryKey: ["cameras"], queryFn: () => body(api.GET("/api/v1/cameras")) });
}

export function useCamera(id: string) {
  return useQuery({
    queryKey: ["camera", id],
    queryFn: () => body(api.GET("/api/v1/cameras/{camera}", { params: { path: { camera: id } } })),
  });
}

/** The latest still, asked for when the page is opened and when somebody asks again: each look is on the audit trail. */
export function useStill(id: string) {
  return useQuery({
    queryKey: ["still", id],
    queryFn: () => fetchStill(`/api/v1/cameras/${encodeURIComponent(id)}/still`),
    staleTime: Infinity,
    gcTime: 0,
    retry: false,
  });
}

/** One part of a camera that is saved by itself, against the version that was on the screen. */
export type CameraChange =
  | { readonly part: "camera"; readonly value: CameraInput }
  | { readonly part: "masking"; readonly value: MaskingInput }
  | { readonly part: "zones"; readonly value: ZonesInput }
  | { readonly part: "legal-bases"; readonly value: LegalBasis[] };

/** Save a part of a camera; refused with `changed_in_between` when it changed since `version` (null: a new camera). */
export function useSaveCamera(id: string, version: number | null) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (change: CameraChange) => save(id, version, change),
    onSuccess: (camera) => {
      client.setQueryData(["camera", camera.id], camera);
      void client.invalidateQueries({ queryKey: ["cameras"] });
    },
  });
}

function save(id: string, version: number | null, change: CameraChange): Promise<Camera> {
  const params = { path: { camera: id }, header: version === null ? {} : ifMatch(version) };
  switch (change.part) {
    case "camera":
      return body(api.PUT("/api/v1/cameras/{camera}", { params, body: change.value }));
    case "masking":
      return body(api.PUT("/api/v1/cameras/{camera}/masking", { params, body: change.value }));
    case "zones":
      return body(api.PUT("/api/v1/cameras/{camera}/zones", { params, body: change.value }));
    case "legal-bases":
      return body(api.PUT("/api/v1/cameras/{camera}/legal-bases", { params, body: change.value }));
  }
}
