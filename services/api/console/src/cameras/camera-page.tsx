import { Link, Tab, TabList, TabPanel, Tabs } from "react-aria-components";
import { useTranslation } from "react-i18next";
import { useParams } from "react-router";

import type { Camera } from "../api/types";
import { codedOf } from "../i18n/coded";
import { livePath, PATHS } from "../shell/paths";
import { useTitle } from "../shell/title";
import { LevelMark } from "../ui/level-mark";
import { ProblemNote } from "../ui/problem-note";
import { LegalBasesSection } from "./legal-bases-section";
import { MaskingSection } from "./masking-section";
import { useCamera } from "./queries";
import { RestingLine } from "./resting-line";
import { SettingsSection } from "./settings-section";
import { ZonesSection } from "./zones-section";

const SECTIONS = {
  masking: MaskingSection,
  zones: ZonesSection,
  bases: LegalBasesSection,
  settings: SettingsSection,
} as const;

export function CameraPage() {
  const { t } = useTranslation();
  const { camera: id = "" } = useParams();
  const camera = useCamera(id);
  useTitle(camera.data?.name ?? t("cameras.page"));
  return (
    <div className="page">
      <p>
        <Link className="text-link" href={PATHS.cameras}>
          {t("cameras.backToList")}
        </Link>
      </p>
      <h1>{camera.data?.name ?? id}</h1>
      {camera.isPending && <p className="empty">{t("shell.loading")}</p>}
      {camera.isError && <ProblemNote error={camera.error} />}
      {camera.data !== undefined && <Sections camera={camera.data} />}
    </div>
  );
}

function Sections({ camera }: { camera: Camera }) {
  const { t } = useTranslation();
  const names = Object.keys(SECTIONS) as (keyof typeof SECTIONS)[];
  return (
    <>
      <p>
        <LevelMark level={camera.status.level} />{" "}
        {codedOf(camera.status.service, camera.status.code, camera.status.message)}{" "}
        {!camera.published && t("cameras.notPublished")}{" "}
        <Link className="text-link" href={livePath(camera.id)}>
          {t("alerts.toLive")}
        </Link>
        <RestingLine camera={camera} />
      </p>
      <Tabs className="tabs">
        <TabList aria-label={t("cameras.sections")} className="tab-list">
          {names.map((name) => (
            <Tab key={name} id={name} className="tab">
              {t(`${name}.title`)}
            </Tab>
          ))}
        </TabList>
        {names.map((name) => {
          const Section = SECTIONS[name];
          return (
            // Kept while another tab is in front, so that nothing drawn is lost by looking elsewhere.
            <TabPanel key={name} id={name} shouldForceMount className="tab-panel">
              <Section camera={camera} />
            </TabPanel>
          );
        })}
      </Tabs>
    </>
  );
}
