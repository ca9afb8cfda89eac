import { Link } from "react-aria-components";
import { useTranslation } from "react-i18next";

import { codedOf } from "../i18n/coded";
import { cameraPath, PATHS } from "../shell/paths";
import { useTitle } from "../shell/title";
import { LevelMark } from "../ui/level-mark";
import { ProblemNote } from "../ui/problem-note";
import { useCameras } from "./queries";
import { RestingLine } from "./resting-line";

export function CameraListPage() {
  const { t } = useTranslation();
  const cameras = useCameras();
  useTitle(t("cameras.page"));
  return (
    <div className="page">
      <h1>{t("cameras.page")}</h1>
      <div className="actions">
        <Link className="button" href={PATHS.newCamera}>
          {t("cameras.new")}
        </Link>
      </div>
      {cameras.isError && <ProblemNote error={cameras.error} />}
      <div className="table-scroll">
        <table>
          <caption className="visually-hidden">{t("cameras.page")}</caption>
          <thead>
            <tr>
              <th scope="col">{t("cameras.name")}</th>
              <th scope="col">{t("cameras.commune")}</th>
              <th scope="col">{t("cameras.masks")}</th>
              <th scope="col">{t("cameras.zones")}</th>
              <th scope="col">{t("cameras.state")}</th>
            </tr>
          </thead>
          <tbody>
            {(cameras.data ?? []).map((camera) => (
              <tr key={camera.id}>
                <th scope="row">
                  <Link className="text-link" href={cameraPath(camera.id)}>
                    {camera.name}
                  </Link>
                </th>
                <td>{camera.commune}</td>
                <td>
                  {camera.masking === null
                    ? t("cameras.masksUndecided")
                    : t(`cameras.masksMode.${camera.masking.mode}`, { count: camera.masking.polygons.length })}
                </td>
                <td>{camera.zones.length}</td>
                <td>
                  <LevelMark level={camera.status.level} />{" "}
                  {camera.enabled
                    ? codedOf(camera.status.service, camera.status.code, camera.status.message)
                    : t("cameras.disabled")}
                  <RestingLine camera={camera} />
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </div>
  );
}
