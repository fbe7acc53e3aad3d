export const Icon = () => <svg viewBox="0 0 1 1"/>;
