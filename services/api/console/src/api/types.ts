/** The api's shapes under the names the console uses, out of the generated `schema.d.ts`. */
import type { components } from "./schema";

type Schemas = components["schemas"];

export type Session = Schemas["SessionView"];
export type Role = Session["role"];
export type Camera = Schemas["CameraView"];
export type CameraInput = Schemas["CameraInput"];
export type MaskingInput = Schemas["MaskingInput"];
export type DrawnPicture = Schemas["DrawnPicture"];
export type Zone = Schemas["Zone"];
export type Rule = Schemas["RuleView"];
export type FieldWords = Schemas["FieldWordsView"];
export type CameraRule = Schemas["CameraRuleView"];
export type RuleInput = Schemas["RuleInput"];
export type ZonesInput = Schemas["ZonesInput"];
export type LegalBasis = Schemas["LegalBasis"];
export type Alert = Schemas["AlertView"];
export type Segment = Schemas["SegmentView"];
export type Health = Schemas["HealthView"];
export type Level = Schemas["Level"];
export type OwnSession = Schemas["OwnSession"];
export type PendingSecondFactor = Schemas["PendingSecondFactor"];
export type AuditRow = Schemas["AuditRow"];
