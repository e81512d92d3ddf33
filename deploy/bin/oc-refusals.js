#!/usr/bin/env node
import { launch } from './launch.js';

launch('oc-refusals', 'deploy/edge/main');
