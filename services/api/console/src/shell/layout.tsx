import { Button } from "react-aria-components";
import { useTranslation } from "react-i18next";
import { NavLink, Outlet, useNavigate } from "react-router";
import { useState } from "react";

import { useUrgentAlerts } from "../alerts/queries";
import type { Session } from "../api/types";
import { useNews } from "../events/use-news";
import { useFormats } from "../i18n/formats";
import { useMeta, useSignOut } from "../session/queries";
import { may, type Right } from "../session/rights";
import { Announcer } from "./announcer";
import { HelpOverlay } from "./help-overlay";
import { LanguageSwitch } from "./language-switch";
import { PATHS } from "./paths";
import { useShortcuts } from "./shortcuts";

/** The views and their keys; the keys are the same in both languages, so that hands need not learn twice. */
const VIEWS: readonly {
  view: "wall" | "alerts" | "playback" | "cameras" | "health" | "audit";
  key: string;
  right: Right;
}[] = [
  { view: "wall", key: "m", right: "watch" },
  { view: "alerts", key: "l", right: "watch" },
  { view: "playback", key: "r", right: "watch" },
  { view: "cameras", key: "c", right: "configure" },
  { view: "health", key: "s", right: "health" },
  { view: "audit", key: "j", right: "audit" },
];

/** What surrounds every view once somebody is signed in. */
export function Layout({ session }: { session: Session }) {
  const { t } = useTranslation();
  const navigate = useNavigate();
  const [help, setHelp] = useState(false);
  const lostSince = useNews(may(session.role, "watch"));
  const signOut = useSignOut();
  const views = VIEWS.filter(({ right }) => may(session.role, right));
  useShortcuts(t("keys.everywhere"), [
    ...views.map(({ view, key }) => ({
      keys: [key],
      label: t(`nav.${view}`),
      run: () => void navigate(PATHS[view]),
    })),
    { keys: ["?"], label: t("keys.help"), run: () => setHelp(true) },
  ]);

  return (
    <>
      <a className="skip-link" href="#main">
        {t("shell.skip")}
      </a>
      <header className="top">
        <span className="brand">Beffroi</span>
        <nav aria-label={t("nav.label")}>
          <ul>
            {views.map(({ view, key }) => (
              <li key={view}>
                <NavLink to={PATHS[view]} className="nav-link">
                  {t(`nav.${view}`)} <kbd aria-hidden="true">{key.toUpperCase()}</kbd>
                  {view === "alerts" && <UrgentCount />}
                </NavLink>
              </li>
            ))}
          </ul>
        </nav>
        <div className="top-end">
          <Button className="button button-quiet" onPress={() => setHelp(true)}>
            <span className="help-name">{t("keys.help")}</span> <kbd aria-hidden="true">?</kbd>
          </Button>
          <LanguageSwitch />
          <Who session={session} isLeaving={signOut.isPending} leave={() => signOut.mutate()} />
        </div>
      </header>
      {signOut.isError && (
        <p className="banner" role="alert">
          {t("session.signOutFailed")}
        </p>
      )}
      {session.other_sessions > 0 && (
        <aside className="elsewhere" aria-label={t("account.sessions.title")}>
          <NavLink to={PATHS.account}>{t("session.elsewhere", { count: session.other_sessions })}</NavLink>
        </aside>
      )}
      {lostSince !== null && <NewsLost since={lostSince} />}
      <main id="main" tabIndex={-1}>
        <Outlet />
      </main>
      <Announcer />
      <HelpOverlay isOpen={help} close={() => setHelp(false)} />
    </>
  );
}

function UrgentCount() {
  const { t } = useTranslation();
  const { length } = useUrgentAlerts();
  if (length === 0) return null;
  return (
    <span className="count">
      {length} <span className="visually-hidden">{t("alerts.waiting", { count: length })}</span>
    </span>
  );
}

interface WhoProps {
  readonly session: Session;
  readonly isLeaving: boolean;
  readonly leave: () => void;
}

function Who({ session, isLeaving, leave }: WhoProps) {
  const { t } = useTranslation();
  const meta = useMeta();
  return (
    <span className="who">
      <span>
        <NavLink
          to={PATHS.account}
          className="who-account"
          aria-label={`${t("session.account")} : ${session.display_name}`}
        >
          {session.display_name}
        </NavLink>
        <span className="muted small who-role">
          {t(`role.${session.role}`)}
          {meta.data !== undefined && ` · ${meta.data.commune}`}
        </span>
      </span>
      <Button className="button button-quiet" onPress={leave} isPending={isLeaving}>
        {t("session.signOut")}
      </Button>
    </span>
  );
}

/** Without news no alert arrives: that needs a hand now. */
function NewsLost({ since }: { since: number }) {
  const { t } = useTranslation();
  const formats = useFormats();
  return (
    <p className="banner" role="alert">
      {t("shell.newsLost", { at: formats.time(since) })}
    </p>
  );
}
