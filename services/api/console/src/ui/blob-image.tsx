import { useEffect, useState } from "react";

/** An image held in memory. */
export function BlobImage({ blob, alt, className }: { blob: Blob; alt: string; className?: string }) {
  const url = useObjectUrl(blob);
  return url === null ? null : <img src={url} alt={alt} className={className} />;
}

/** An address for `blob` while the component is there; freed afterwards. */
export function useObjectUrl(blob: Blob | null): string | null {
  const [url, setUrl] = useState<string | null>(null);
  useEffect(() => {
    if (blob === null) return;
    const made = URL.createObjectURL(blob);
    setUrl(made); // eslint-disable-line react-hooks/set-state-in-effect -- the address is a resource, made and freed
    return () => {
      setUrl(null);
      URL.revokeObjectURL(made);
    };
  }, [blob]);
  return url;
}
