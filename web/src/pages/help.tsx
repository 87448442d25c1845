import { session } from '../api/endpoints';
import { Command } from '../components/parts';
import { useTitle } from '../components/title';
import { useQuery } from '../state/query';
import { useSession } from '../state/session';

const elsewhere: Record<string, { title: string; text: string; command: string }> = {
  certs: { title: 'Certificates and known hosts', text: 'Trusted certificates and SSH host keys are shown and changed from the command line.', command: 'belay cert list' },
  gpgkeys: { title: 'GnuPG keys', text: 'Keys that commits are verified with are shown and changed from the command line.', command: 'belay gpg list' },
  appearance: { title: 'Appearance', text: 'Light, dark or as the system: the theme is in the menu of your account, at the top right.', command: '' },
  advanced: { title: 'Advanced', text: 'Settings are in the ConfigMap argocd-cm, as Argo CD has them.', command: 'kubectl -n argocd get configmap argocd-cm -o yaml' },
};

export default function HelpPage({ page }: { page: string }) {
  const { me } = useSession();
  const version = useQuery('version', session.version);
  const other = elsewhere[page];
  const title = other?.title ?? (page === 'user' ? 'Who I am' : 'Help');
  useTitle(title);
  return (
    <div className="page stack">
      <h1>{title}</h1>
      {other ? (
        <section className="card stack">
          <p>{other.text}</p>
          {other.command && <Command text={other.command} />}
        </section>
      ) : page === 'user' ? (
        <section className="card stack" aria-label="Who I am">
          <dl className="facts">
            <dt>Name</dt>
            <dd>{me.username || 'nobody signed in'}</dd>
            <dt>Signed in by</dt>
            <dd>{me.issuer || 'nothing'}</dd>
            <dt>Groups</dt>
            <dd>{me.groups?.join(', ') || 'none'}</dd>
          </dl>
        </section>
      ) : (
        <section className="card stack" aria-label="Help">
          <p>
            Press <kbd>?</kbd> for the keyboard, <kbd>Ctrl K</kbd> to search and to run commands.
          </p>
          <p>What the pages show, the command line shows as well:</p>
          <Command text="belay app list" />
          <Command text="belay app diff NAME" />
          <Command text="belay app sync NAME" />
          <p className="muted">Belay {version.data?.Version ?? ''}</p>
        </section>
      )}
    </div>
  );
}
