import { useMemo } from "react";
import { useTranslation } from "react-i18next";

import { ageParts } from "../live/age";
import { LANGUAGES, LOCALES } from ".";
import { isSameDay } from "./local-time";

/** Times, ages and numbers as the chosen language writes them. Times are this workstation's local times. */
export interface Formats {
  time(at: string | number | Date): string;
  minute(at: string | number | Date): string;
  dateTime(at: string | number | Date): string;
  /** The time alone for a moment of today, else with its date. */
  moment(at: string | number | Date): string;
  date(at: string | number | Date): string;
  age(seconds: number): string;
  number(value: number): string;
  percent(fraction: number): string;
}

export function useFormats(): Formats {
  const { t, i18n } = useTranslation();
  const locale = localeOf(i18n.language);
  return useMemo(() => {
    const time = new Intl.DateTimeFormat(locale, { timeStyle: "medium" });
    const minute = new Intl.DateTimeFormat(locale, { timeStyle: "short" });
    const date = new Intl.DateTimeFormat(locale, { day: "2-digit", month: "2-digit", year: "numeric" });
    const dateTime = new Intl.DateTimeFormat(locale, { dateStyle: "short", timeStyle: "medium" });
    const tenths = new Intl.NumberFormat(locale, { minimumFractionDigits: 1, maximumFractionDigits: 1 });
    const number = new Intl.NumberFormat(locale, { maximumFractionDigits: 2 });
    const percent = new Intl.NumberFormat(locale, { style: "percent", maximumFractionDigits: 1 });
    return {
      time: (at) => time.format(new Date(at)),
      minute: (at) => minute.format(new Date(at)),
      date: (at) => date.format(new Date(at)),
      moment: (at) => (isSameDay(new Date(at).getTime(), Date.now()) ? time : dateTime).format(new Date(at)),
      dateTime: (at) => dateTime.format(new Date(at)),
      age: (seconds) => {
        const { unit, value } = ageParts(seconds);
        return t(`age.${unit}`, { value: unit === "tenths" ? tenths.format(value) : number.format(value) });
      },
      number: (value) => number.format(value),
      percent: (fraction) => percent.format(fraction),
    };
  }, [locale, t]);
}

export function localeOf(language: string): string {
  return LOCALES[LANGUAGES.find((each) => each === language) ?? "fr"];
}
