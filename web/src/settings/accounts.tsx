import { useState } from 'react';
import { Link } from 'wouter';
import { settings } from '../api/endpoints';
import { Command, Empty, Loaded } from '../components/parts';
import { Time } from '../components/time';
import { useTitle } from '../components/title';
import { useQuery } from '../state/query';
import { useSession } from '../state/session';

export default function AccountsPage({ name }: { name: string }) {
  return name ? <AccountPage name={name} /> : <AccountList />;
}

function AccountList() {
  const accounts = useQuery('accounts', settings.accounts);
  useTitle('Accounts');
  return (
    <div className="page stack">
      <h1>Accounts</h1>
      <p className="muted">Local accounts of argocd-cm. People who sign in at an identity provider are not listed.</p>
      <Loaded query={accounts} what="the accounts">
        {(data) =>
          data.items?.length ? (
            <div className="scroll-x" tabIndex={0} role="group" aria-label="Accounts">
              <table className="table">
                <thead>
                  <tr>
                    <th>Account</th>
                    <th>State</th>
                    <th>Can</th>
                    <th>Tokens</th>
                  </tr>
                </thead>
                <tbody>
                  {data.items.map((account) => (
                    <tr key={account.name}>
                      <td>
                        <Link className="strong" to={`/settings/accounts/${encodeURIComponent(account.name)}`}>
                          {account.name}
                        </Link>
                      </td>
                      <td>{account.enabled ? 'enabled' : 'disabled'}</td>
                      <td>{account.capabilities?.map((each) => (each === 'apiKey' ? 'have tokens' : each === 'login' ? 'sign in' : each)).join(', ')}</td>
                      <td>{account.tokens?.length ?? 0}</td>
                    </tr>
                  ))}
                </tbody>
              </table>
            </div>
          ) : (
            <Empty title="No account that you may see" />
          )
        }
      </Loaded>
    </div>
  );
}

const iso = (time: string | number | undefined) => (time && Number(time) ? new Date(Number(time) * 1000).toISOString() : undefined);

function AccountPage({ name }: { name: string }) {
  const account = useQuery(`account:${name}`, () => settings.account(name));
  const { me } = useSession();
  useTitle(`Account ${name}`);
  return (
    <div className="page stack">
      <p className="small">
        <Link to="/settings/accounts">Accounts</Link>
      </p>
      <h1>{name}</h1>
      <Loaded query={account} what={`account ${name}`}>
        {(data) => (
          <div className="details">
            <section className="card stack" aria-label="Tokens">
              <h2>Tokens</h2>
              {data.tokens?.length ? (
                <ul className="stack tight">
                  {data.tokens.map((token) => (
                    <li key={token.id}>
                      <span className="mono">{token.id}</span> issued <Time at={iso(token.issuedAt)} both />,{' '}
                      {iso(token.expiresAt) ? (
                        <>
                          ends <Time at={iso(token.expiresAt)} both />
                        </>
                      ) : (
                        'never ends'
                      )}
                    </li>
                  ))}
                </ul>
              ) : (
                <p className="muted">None</p>
              )}
              {data.capabilities?.includes('apiKey') && <Command text={`belay account generate-token --account ${name} --expires-in 720h`} />}
            </section>
            {me.username === name && data.capabilities?.includes('login') && <Password name={name} />}
          </div>
        )}
      </Loaded>
    </div>
  );
}

const shortest = 8;

function Password({ name }: { name: string }) {
  const [now, setNow] = useState('');
  const [next, setNext] = useState('');
  const [outcome, setOutcome] = useState<{ text: string; bad: boolean }>();
  const change = () => {
    settings.password(name, now, next).then(
      () => {
        setOutcome({ text: 'The password is changed. Sign in again where else you are signed in.', bad: false });
        setNow('');
        setNext('');
      },
      (error: Error) => setOutcome({ text: error.message, bad: true }),
    );
  };
  return (
    <form
      className="card stack"
      aria-label="Change the password"
      onSubmit={(event) => {
        event.preventDefault();
        change();
      }}
    >
      <h2>Change the password</h2>
      <label className="field">
        Password now
        <input className="input" type="password" autoComplete="current-password" required value={now} onChange={(event) => setNow(event.target.value)} />
      </label>
      <label className="field">
        New password
        <input className="input" type="password" autoComplete="new-password" minLength={shortest} required value={next} onChange={(event) => setNext(event.target.value)} />
      </label>
      {outcome && (
        <p className={outcome.bad ? 'note bad' : 'note good'} role={outcome.bad ? 'alert' : 'status'}>
          {outcome.text}
        </p>
      )}
      <p>
        <button type="submit" className="button primary">
          Change the password
        </button>
      </p>
    </form>
  );
}
