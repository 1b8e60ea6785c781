module.exports = {
	...require('./dist/credentials/AiLabToolsApi.credentials.js'),
	...require('./dist/nodes/MergePortraits/MergePortraits.node.js'),
};
