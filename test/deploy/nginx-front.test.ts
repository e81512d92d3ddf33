/** The rendered configuration in a real nginx. */

import { nginxFront } from './chain.ts';
import { describeFront } from './edge-contract.ts';

describeFront('nginx', nginxFront);
