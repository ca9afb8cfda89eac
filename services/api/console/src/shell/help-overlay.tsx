import { Button, Dialog, Heading, Modal, ModalOverlay } from "react-aria-components";
import { useTranslation } from "react-i18next";

import { useShortcutRegistry } from "./shortcuts";
import { OnOff } from "../ui/check";

/** All keys that do something where the person is now. */
export function HelpOverlay({ isOpen, close }: { isOpen: boolean; close: () => void }) {
  const { t } = useTranslation();
  const registry = useShortcutRegistry();
  return (
    <ModalOverlay
      className="overlay"
      isOpen={isOpen}
      onOpenChange={(open) => {
        if (!open) close();
      }}
      isDismissable
    >
      <Modal className="modal">
        <Dialog>
          <Heading slot="title">{t("keys.title")}</Heading>
          <div className="help-scopes">
            {[...registry.scopes].reverse().map(({ title, shortcuts }, index) => (
              <section key={`${title} ${index}`}>
                <h3>{title}</h3>
                <dl className="keys">
                  {shortcuts.map(({ keys, label }) => (
                    <div key={keys.join(" ")}>
                      <dt>
                        {keys.map((key) => (
                          <kbd key={key}>{keyLabel(key)}</kbd>
                        ))}
                      </dt>
                      <dd>{label}</dd>
                    </div>
                  ))}
                </dl>
              </section>
            ))}
          </div>
          <OnOff isSelected={registry.enabled} onChange={(enabled) => registry.setEnabled(enabled)}>
            {t("keys.characterKeys")}
          </OnOff>
          <Button className="button" onPress={close}>
            {t("shell.close")} <kbd>{t("keys.escape")}</kbd>
          </Button>
        </Dialog>
      </Modal>
    </ModalOverlay>
  );

  function keyLabel(key: string): string {
    switch (key) {
      case "ArrowUp":
        return "↑";
      case "ArrowDown":
        return "↓";
      case "ArrowLeft":
        return "←";
      case "ArrowRight":
        return "→";
      case "Escape":
        return t("keys.escape");
      case "Enter":
        return t("keys.enter");
      case "Home":
        return t("keys.home");
      case "End":
        return t("keys.end");
      case "PageUp":
        return t("keys.pageUp");
      case "PageDown":
        return t("keys.pageDown");
      case "Insert":
        return t("keys.insert");
      case "Delete":
        return t("keys.delete");
      case " ":
        return t("keys.space");
      default:
        return key.length === 1 ? key.toUpperCase() : key;
    }
  }
}
