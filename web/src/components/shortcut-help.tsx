import { Dialog } from './dialog';

const sections: { title: string; keys: [string, string][] }[] = [
  {
    title: 'Everywhere',
    keys: [
      ['Ctrl K', 'Search and commands'],
      ['?', 'This help'],
      ['g d', 'Deployments'],
      ['g t', 'Timeline'],
      ['g c', 'Compare'],
      ['g p', 'Projects'],
      ['g l', 'Clusters'],
      ['g r', 'Repositories'],
    ],
  },
  {
    title: 'Lists',
    keys: [
      ['/', 'Search in the list'],
      ['j', 'Next row'],
      ['k', 'Previous row'],
      ['Enter', 'Open'],
    ],
  },
  {
    title: 'Application',
    keys: [
      ['r', 'Review and sync'],
      ['h', 'History and rollback'],
      ['o', 'Overview'],
      ['f', 'Refresh'],
      ['s', 'Favourite'],
    ],
  },
];

export default function ShortcutHelp({ onClose }: { onClose: () => void }) {
  return (
    <Dialog title="Keyboard shortcuts" onClose={onClose}>
      <div className="dialog-body stack">
        <div className="row spread">
          <h2>Keyboard shortcuts</h2>
          <button type="button" className="button small" onClick={onClose}>
            Close
          </button>
        </div>
        <div className="shortcuts">
          {sections.map((section) => (
            <section key={section.title}>
              <h3>{section.title}</h3>
              <dl className="facts">
                {section.keys.map(([key, text]) => (
                  <div key={key} className="fact">
                    <dt>
                      <kbd>{key}</kbd>
                    </dt>
                    <dd>{text}</dd>
                  </div>
                ))}
              </dl>
            </section>
          ))}
        </div>
      </div>
    </Dialog>
  );
}
