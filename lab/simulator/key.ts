/** The key of the simulator's account, unless it is given others. Apart, so that who only signs with it loads no simulator. */
export const SIMULATOR_KEY = 'simulator-key';
