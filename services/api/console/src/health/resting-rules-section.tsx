import { Link } from "react-aria-components";
import { useTranslation } from "react-i18next";

import type { Camera } from "../api/types";
import { restingRules } from "../cameras/resting-rules";
import { useRules } from "../rules/queries";
import { RestReason } from "../rules/rest-note";
import { useSession } from "../session/queries";
import { may } from "../session/rights";
import { cameraPath } from "../shell/paths";

/** Every rule that is on a camera and does not run; nothing where all run. */
export function RestingRulesSection({ cameras }: { cameras: readonly Camera[] }) {
  const { t, i18n } = useTranslation();
  const catalogue = useRules().data ?? [];
  const role = useSession().data?.role;
  const configures = role !== undefined && may(role, "configure");
  const rows = cameras.flatMap((camera) =>
    restingRules(camera, catalogue, i18n.language).map((resting) => ({ camera, resting })),
  );
  if (rows.length === 0) return null;
  return (
    <section className="section" aria-labelledby="resting-heading">
      <h2 id="resting-heading">{t("rests.title")}</h2>
      <p className="note note-problem">{t(configures ? "rests.helpConfiguring" : "rests.help")}</p>
      <div className="table-scroll">
        <table>
          <caption className="visually-hidden">{t("rests.title")}</caption>
          <thead>
            <tr>
              <th scope="col">{t("rests.camera")}</th>
              <th scope="col">{t("rests.rule")}</th>
              <th scope="col">{t("rests.reason")}</th>
            </tr>
          </thead>
          <tbody>
            {rows.map(({ camera, resting }) => (
              <tr key={`${camera.id}/${resting.id}`}>
                <th scope="row">
                  {configures ? (
                    <Link className="text-link" href={cameraPath(camera.id)}>
                      {camera.name}
                    </Link>
                  ) : (
                    camera.name
                  )}
                </th>
                <td>{resting.name}</td>
                <td>
                  <RestReason rests={resting.rests} rule={resting.rule} />
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}
