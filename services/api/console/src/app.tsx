import { useCallback, useState } from "react";
import { QueryClientProvider } from "@tanstack/react-query";
import { I18nProvider, RouterProvider } from "react-aria-components";
import { useTranslation } from "react-i18next";
import { BrowserRouter, Navigate, Route, Routes, useHref, useNavigate } from "react-router";

import { localeOf } from "./i18n/formats";
import { AccountPage } from "./account/account-page";
import { GivenPassword } from "./account/given-password";
import { RequiredSecondFactor } from "./account/required-second-factor";
import { AlertsPage } from "./alerts/alerts-page";
import { newQueryClient } from "./api/query-client";
import type { Session } from "./api/types";
import { AuditPage } from "./audit/audit-page";
import { CameraListPage } from "./cameras/camera-list-page";
import { CameraPage } from "./cameras/camera-page";
import { NewCameraPage } from "./cameras/new-camera-page";
import { HealthPage } from "./health/health-page";
import { SinglePage } from "./live/single-page";
import { WallPage } from "./live/wall-page";
import { PlaybackPage } from "./playback/playback-page";
import { useSession } from "./session/queries";
import { may } from "./session/rights";
import { SignIn } from "./session/sign-in";
import { Layout } from "./shell/layout";
import { PATHS } from "./shell/paths";
import { ShortcutsProvider } from "./shell/shortcuts";
import { ProblemNote } from "./ui/problem-note";

export function App() {
  const [client] = useState(newQueryClient);
  const { i18n } = useTranslation();
  return (
    <QueryClientProvider client={client}>
      <I18nProvider locale={localeOf(i18n.language)}>
        {/* The address changes together with what a view remembers beside it, never a moment later. */}
        <BrowserRouter useTransitions={false}>
          <WithRouter />
        </BrowserRouter>
      </I18nProvider>
    </QueryClientProvider>
  );
}

function WithRouter() {
  const navigate = useNavigate();
  return (
    <RouterProvider navigate={(path) => void navigate(path)} useHref={useHref}>
      <ShortcutsProvider>
        <Gate />
      </ShortcutsProvider>
    </RouterProvider>
  );
}

/** Nothing is shown before it is known who looks. */
function Gate() {
  const { t } = useTranslation();
  const session = useSession();
  const [isEnrolling, setEnrolling] = useState(false);
  const begun = useCallback(() => setEnrolling(true), []);
  if (session.data?.must_change_password) return <GivenPassword />;
  if (session.data && (session.data.must_set_second_factor || isEnrolling))
    return <RequiredSecondFactor onBegun={begun} onNoted={() => setEnrolling(false)} />;
  if (session.data) return <Views session={session.data} />;
  if (session.data === null) return <SignIn />;
  return (
    <main id="main" className="starting">
      <h1>Beffroi</h1>
      {session.isError ? <ProblemNote error={session.error} /> : <p>{t("shell.loading")}</p>}
    </main>
  );
}

function Views({ session }: { session: Session }) {
  const watches = may(session.role, "watch");
  const configures = may(session.role, "configure");
  const home = watches ? PATHS.wall : PATHS.audit;
  return (
    <Routes>
      <Route element={<Layout session={session} />}>
        {watches && (
          <>
            <Route path={PATHS.wall} element={<WallPage />} />
            <Route path={`${PATHS.wall}/:camera`} element={<SinglePage />} />
            <Route path={PATHS.alerts} element={<AlertsPage />} />
            <Route path={PATHS.playback} element={<PlaybackPage />} />
          </>
        )}
        {configures && (
          <>
            <Route path={PATHS.cameras} element={<CameraListPage />} />
            <Route path={PATHS.newCamera} element={<NewCameraPage />} />
            <Route path={`${PATHS.cameras}/:camera`} element={<CameraPage />} />
          </>
        )}
        {may(session.role, "audit") && <Route path={PATHS.audit} element={<AuditPage />} />}
        <Route path={PATHS.account} element={<AccountPage />} />
        <Route path={PATHS.health} element={<HealthPage />} />
        <Route path="*" element={<Navigate to={home} replace />} />
      </Route>
    </Routes>
  );
}
