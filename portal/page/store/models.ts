/** The models that a conversation can be answered by. */

import { type Fields, isFields, list, text } from '../wire.ts';

export interface Model {
  /** `provider/id`, as sessions name it. */
  readonly ref: string;
  readonly name: string;
  readonly isDefault: boolean;
  readonly takesImages: boolean;
}

export function readModels(reply: Fields): Model[] {
  return list(reply['models']).flatMap((row) => {
    if (!isFields(row)) return [];
    const id = text(row['id']);
    if (id === undefined) return [];
    const provider = text(row['provider']);
    return [
      {
        ref: provider === undefined ? id : `${provider}/${id}`,
        name: text(row['name']) ?? id,
        isDefault: list(row['tags']).includes('default'),
        takesImages: list(row['input']).includes('image'),
      },
    ];
  });
}

/** The model that an address names: in full, by its id alone, or by its name. */
export function findModel(models: readonly Model[], wanted: string): Model | undefined {
  const named = models.filter(
    (model) => model.ref === wanted || model.ref.endsWith(`/${wanted}`) || model.name === wanted,
  );
  return named.length === 1 || named[0]?.ref === wanted ? named[0] : undefined;
}
