import type { IContextObject, IExecuteFunctions } from 'n8n-workflow';

import type { Accounts } from './account/accounts';
import type { Lane, Turn } from './account/gate';
import { send } from './account/send';
import type { MergedPicture } from './api/answer';
import { faceFusion } from './api/faceFusion';
import type { Clock } from './base/clock';
import type { Credential } from './input/credential';
import { RequestReader, type MergeRequest } from './input/request';
import { outputBaseName } from './output/fileNames';
import { endsBatch, type WithoutPicture } from './output/outcome';
import { fingerprint, type Obtained, type PaidResult, type PaidResults } from './paid/results';
import { readImageHeader } from './pictures/imageHeader';
import { turnedPicture, type ImageRole } from './pictures/imageRequirements';
import { InputPictures, type InputPicture, type UnfitPicture } from './pictures/inputPictures';
import { PictureStore } from './pictures/store';
import type { StoredBinaries } from './pictures/storedBinaries';

/** What a batch runs with; tests bring their own. */
export interface Surroundings {
	clock: Clock;
	random: () => number;
	accounts: Accounts;
	results: PaidResults<WithoutPicture>;
}

/** What all pairs of a batch have in common. */
export interface BatchTerms {
	credential: Credential;
	accountId: string;
	lane: Lane;
	/** Whether the batch goes on when a pair fails. */
	continues: boolean;
	isAgent: boolean;
	storedBinaries: StoredBinaries;
}

/** A merged pair, and what its output item needs besides the picture. */
export type Merged = Extract<Obtained<never>, { kind: 'merged' }> & {
	request: MergeRequest;
	/** Tells different pictures of an execution apart. */
	key: string;
	/** Of the file, without extension. */
	baseName: string;
	/** Undefined when no link was asked for. */
	downloadUrl: string | undefined;
};

/** Takes one pair after the other from its item to its picture; all pairs of a batch share what it has read. */
export class PairMerger {
	private readonly store: PictureStore;
	private readonly pictures: InputPictures;
	private readonly execution: IContextObject;
	private readonly cancelled: AbortSignal | undefined;
	/** Why nothing more is sent, once n8n could not keep a picture. */
	private ended: WithoutPicture | undefined;

	constructor(
		private readonly context: IExecuteFunctions,
		private readonly surroundings: Surroundings,
		private readonly terms: BatchTerms,
	) {
		const { closed } = terms.lane;
		this.execution = context.getContext('flow');
		this.cancelled = context.getExecutionCancelSignal();
		this.store = new PictureStore(context, { ...surroundings, closed, cancelled: this.cancelled });
		this.pictures = new InputPictures(context, this.store, { ...surroundings, signal: closed });
	}

	/** Never throws. */
	async merge(itemIndex: number, turn: Turn): Promise<Merged | WithoutPicture> {
		try {
			return await this.mergeItem(itemIndex, turn);
		} catch (error) {
			const { closed } = this.terms.lane;
			return closed.aborted && error === closed.reason
				? (this.ended ?? { kind: 'heldBack' })
				: { kind: 'thrown', error };
		}
	}

	private async mergeItem(itemIndex: number, turn: Turn): Promise<Merged | WithoutPicture> {
		const reader = new RequestReader(this.context, itemIndex, this.terms.storedBinaries);
		const request = reader.merge(this.terms.isAgent);
		const { pictures, similarity, linkLifetime, reuseResults } = request;
		const canLink = await this.store.canLink().catch(noStore);
		if (linkLifetime && canLink === false) throw reader.noLinks(this.terms.isAgent);
		// A slow picture host must not hold up pairs that have their pictures.
		if ('url' in pictures.target || 'url' in pictures.template) turn.stepAside();
		const find = async (role: ImageRole) => await this.pictures.find(role, pictures[role], request, true);
		const found = await Promise.all([find('target'), find('template')]);
		const [target, template] = found.map(({ picture }) => picture);
		if (!target || !template) return { kind: 'unfit', unfit: found.flatMap(({ unfit }) => unfit) };
		const key = fingerprint(target.sha256, template.sha256, similarity, this.terms.accountId);
		const baseName = outputBaseName(request.fileName, target.baseName);
		const obtained = await this.surroundings.results.getOrMerge(this.execution, key, {
			reuse: reuseResults,
			copy: async ({ binary, extension }) => {
				if (typeof canLink !== 'boolean') throw reader.notCopied(canLink.cause);
				return await this.store.copy(binary, `${baseName}.${extension}`).catch((error: unknown) => {
					this.terms.lane.closed.throwIfAborted();
					throw reader.notCopied(error);
				});
			},
			// Nothing is paid for that could not be kept.
			merge: async () =>
				typeof canLink === 'boolean' ? await this.pay(request, { target, template }, baseName, turn) : canLink,
			// Whoever is ready goes first.
			onWait: () => turn.stepAside(),
			closed: this.terms.lane.closed,
		});
		if (obtained.kind !== 'merged') return obtained;
		const downloadUrl = linkLifetime && this.store.link(obtained.result.binary, linkLifetime);
		return { ...obtained, request, key, baseName, downloadUrl };
	}

	private async pay(
		request: MergeRequest,
		pair: Record<ImageRole, InputPicture>,
		baseName: string,
		turn: Turn,
	): Promise<PaidResult | WithoutPicture> {
		const { similarity, timeoutMs, maxRetries } = request;
		const { clock, random } = this.surroundings;
		const { credential, continues } = this.terms;
		const connection = { ...credential, timeoutMs, clock, signal: this.cancelled };
		const post = async () => {
			await this.store.whenWritable().catch((cause: unknown) => {
				this.ended ??= noStore(cause);
				turn.closeLane();
			});
			turn.closed.throwIfAborted();
			return await faceFusion(this.context, { ...pair, similarity }, connection);
		};
		const sending = await send(turn, post, {
			maxRetries,
			clock,
			random,
			endsBatch: (refusal) => endsBatch({ kind: 'refused', refusal, turned: [] }, continues),
		});
		if (sending === undefined) return { kind: 'heldBack' };
		const { answer, attempts } = sending;
		if (!('refusal' in answer)) return await this.keep(answer, baseName, attempts);
		return {
			kind: 'refused',
			refusal: answer.refusal,
			turned: answer.refusal.orientationMayBeTheCause ? turned(request, pair) : [],
		};
	}

	/** Nothing paid for is thrown away: what cannot be stored is not sent again. */
	private async keep(
		{ bytes, format, requestId, logId }: MergedPicture,
		baseName: string,
		attempts: number,
	): Promise<PaidResult | WithoutPicture> {
		const { extension, mimeType } = format;
		const { width, height } = readImageHeader(bytes) ?? {};
		return await this.store.put(bytes, `${baseName}.${extension}`, mimeType).then(
			(binary) => ({ binary, extension, width, height, requestId, logId, attempts }),
			(cause: unknown) => ({ kind: 'notStored', requestId, logId, cause }),
		);
	}
}

const noStore = (cause: unknown) => ({ kind: 'noStore' as const, cause });

/** The pictures of a pair that are stored turned, which may be why the service found no face. */
function turned({ pictures }: MergeRequest, pair: Record<ImageRole, InputPicture>): UnfitPicture[] {
	const roles: ImageRole[] = ['target', 'template'];
	return roles
		.filter((role) => !pair[role].upright)
		.map((role) => ({
			...turnedPicture('field' in pictures[role] ? pictures[role].field : undefined),
			role,
			label: pictures[role].label,
		}));
}
